// Random numbers from a seed, by integers alone: any other program can draw the same.

// xoshiro128** (Blackman & Vigna 2018, arXiv:1805.01407); its state is filled as SplitMix does it, by a Weyl sequence of the
// seed through the finaliser of MurmurHash3 (Appleby).
export function generator(seed) {
  const s = Int32Array.from({ length: 4 }, (_, k) => {
    let z = (seed + (k + 1) * 0x9e3779b9) | 0;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return z ^ (z >>> 16);
  });
  // An integer from 0 up to 2³².
  function next() {
    const scrambled = Math.imul(s[1], 5);
    const drawn = Math.imul((scrambled << 7) | (scrambled >>> 25), 9);
    const shifted = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    return drawn >>> 0;
  }
  return {
    below: (count) => Math.floor((next() * count) / 2 ** 32),
    uniform: () => next() / 2 ** 32,
    // Nearly normal, mean 0 and variance 1: the sum of a draw's four bytes.
    normal() {
      const u = next();
      return ((u & 255) + ((u >>> 8) & 255) + ((u >>> 16) & 255) + (u >>> 24) - 510) / Math.sqrt(21845);
    },
  };
}
