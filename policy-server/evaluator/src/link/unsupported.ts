/** Thrown inside the link step by what it does not know: the module then runs as it is, and its plan says why. */
export class UnsupportedFeature extends Error {
  override readonly name = 'UnsupportedFeature';
}
