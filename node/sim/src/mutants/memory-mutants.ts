/** Planted bugs of the memory tier and of what validates it; most are in the addon, which is built with them. */
import type { Mutant } from '@thermocline/simulation'

const TIER = '../../native/src/memory_tier.cc'
const ENQUEUE = '  if (enqueue(owners_[block], lacks_ ? Lane::missing : Lane::held, series, waiter, body)) return;\n'
const JOIN = '  bool joins = false;\n  JoinSlot* slot'

export const MEMORY_MUTANTS: readonly Mutant[] = [
  {
    name: 'serve-without-validation',
    file: TIER,
    find: ENQUEUE,
    replace: `  if (!lacks_) {
    std::string answer;
    const Served served = serve(request, series, 1, asks_.data(), static_cast<uint32_t>(asks_.size()), nowSeconds, answer);
    if (served == Served::done) return respond(waiter, answer);
  }
${ENQUEUE}`,
    caughtBy: ['linearizable'],
    why: '⚖17: what is held is served without asking the storage tier',
  },
  {
    name: 'join-a-begun-validation',
    file: TIER,
    find: JOIN,
    replace: `  for (auto& [number, begun] : begun_) {
    for (Item& item : begun->items) {
      const bool same = nameOf(*begun, item) == series.name && item.asks == asks_.size() &&
                        memcmp(&begun->asks[item.asksAt], asks_.data(), asks_.size() * sizeof(Ask)) == 0;
      if (!same) continue;
      waiter.bodyAt = static_cast<uint32_t>(begun->bodies.size());
      begun->bodies.append(body);
      waiter.next = item.waiters;
      begun->waiters.push_back(waiter);
      item.waiters = static_cast<uint32_t>(begun->waiters.size());
      return true;
    }
  }
${JOIN}`,
    caughtBy: ['linearizable'],
    why: '⚖17: a request is answered by a validation that began before it came',
  },
  {
    name: 'torn-entry-served',
    file: '../../native/src/page_cache.cc',
    find: ' || checkOf(entry) != entry.check) return false;',
    replace: ') return false;',
    caughtBy: ['linearizable'],
    seed: 76,
    why: 'the checksum of an entry of an earlier process is ignored',
  },
  {
    name: 'delta-below-the-floor',
    file: '../../native/src/validate.cc',
    find: 'const bool delta = held >= header.floor && held < header.version;',
    replace: 'const bool delta = held < header.version;',
    caughtBy: ['linearizable'],
    why: '⚖18: records that were removed stay in the cache',
  },
  {
    name: 'version-cache-not-told',
    file: '../../native/src/apply.cc',
    find: '      versions_.put(series, slice, version);\n',
    replace: '',
    caughtBy: ['linearizable'],
    why: '⚖14: apply does not tell the version cache, and what has changed is called unchanged',
  },
  {
    name: 'directory-not-told',
    file: '../../native/src/apply.cc',
    find: '    if (goes || !page->exists) versions_.put(series, kDirectorySlice, index);\n',
    replace: '',
    caughtBy: ['linearizable'],
    seed: 6,
    why: 'a page comes, and the directory of its series is called unchanged',
  },
  {
    name: 'need-of-validation-ignored',
    file: '../../native/src/validate.cc',
    find: 'if (needs[i] < 0 || static_cast<double>(applied) < needs[i]) {',
    replace: 'if (needs[i] < 0) {',
    caughtBy: ['linearizable'],
    why: '⚖6: a replica that has not applied what the round named answers all the same',
  },
  {
    name: 'stale-fill-of-version-cache',
    file: '../../native/src/validate.cc',
    find: '    if (!failed && unchanged) {\n      for (uint32_t i = 0; i < item_.pages; i++) engine_',
    replace: '    if (!failed && (unchanged || true)) {\n      for (uint32_t i = 0; i < item_.pages; i++) engine_',
    caughtBy: ['linearizable'],
    why: '⚖14: what a read from disk found is taken for the newest, although its block has moved on meanwhile',
  },
  {
    name: 'large-page-taken-for-empty',
    file: '../../native/src/memory_tier_serve.cc',
    find: '  if (held.kind == HeldKind::large) return Served::notCached;\n',
    replace: '',
    caughtBy: ['linearizable'],
    seed: 76,
    why: 'one validation finds a page unchanged that another has called large meanwhile: it is served without its records',
  },
]
