/** The id of a new cluster: 32 hexadecimal digits. */
export function newClusterId(random: () => number): string {
  return Array.from({ length: 8 }, () =>
    Math.floor(random() * 0x10000)
      .toString(16)
      .padStart(4, '0'),
  ).join('')
}
