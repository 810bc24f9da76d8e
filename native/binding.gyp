{
  "variables": { "sanitize%": 0 },
  "targets": [
    {
      "target_name": "thermocline",
      "sources": [
        "src/addon.cc",
        "src/addon_blocks.cc",
        "src/addon_reads.cc",
        "src/addon_tier.cc",
        "src/apply.cc",
        "src/c0.cc",
        "src/copies.cc",
        "src/engine.cc",
        "src/entry.cc",
        "src/file_lock.cc",
        "src/flush.cc",
        "src/install.cc",
        "src/jobs.cc",
        "src/keyed_hash.cc",
        "src/log_writer.cc",
        "src/mapped_file.cc",
        "src/memory_store.cc",
        "src/memory_tier.cc",
        "src/memory_tier_answers.cc",
        "src/memory_tier_responses.cc",
        "src/memory_tier_serve.cc",
        "src/page_cache.cc",
        "src/page_structure.cc",
        "src/reads.cc",
        "src/request_table.cc",
        "src/rocks_options.cc",
        "src/rocks_store.cc",
        "src/rocks_tidy.cc",
        "src/scan.cc",
        "src/snapshot.cc",
        "src/sockets.cc",
        "src/validate.cc",
        "src/version_cache.cc",
        "src/workers.cc"
      ],
      "cflags_cc": ["-O2", "-std=c++17", "-fexceptions", "-frtti", "-Wall", "-Wextra", "-Wno-unused-parameter"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++20", "-std=gnu++17"],
      "conditions": [
        ["sanitize==1", {
          "cflags_cc": [
            "-O1",
            "-g",
            "-fno-omit-frame-pointer",
            "-fsanitize=address,undefined",
            "-fno-sanitize=vptr",
            "-fno-sanitize-recover=undefined",
            "-D_GLIBCXX_ASSERTIONS"
          ],
          "cflags_cc!": ["-O2"],
          "ldflags": ["-fsanitize=address,undefined"]
        }]
      ],
      "libraries": ["-lrocksdb"]
    }
  ]
}
