/**
 * Whether an address lies within a network, both as RFC 5280 §4.2.1.10 encodes them: 4 or 16 bytes, and twice as many with
 * the mask behind. Undefined for other forms.
 */
export function isWithinNetwork(address: Uint8Array, network: Uint8Array): boolean | undefined {
  const size = address.length;
  if ((size !== 4 && size !== 16) || (network.length !== 8 && network.length !== 32)) return undefined;
  if (!isMask(network.subarray(network.length / 2))) return undefined;
  if (network.length !== size * 2) return false;
  return address.every((byte, i) => {
    const mask = network[size + i] ?? 0;
    return (byte & mask) === ((network[i] ?? 0) & mask);
  });
}

/** Ones, and then zeros. */
function isMask(bytes: Uint8Array): boolean {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('');
  return /^1*0*$/.test(bits);
}
