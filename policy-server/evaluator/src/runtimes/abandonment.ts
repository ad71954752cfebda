/** A module that traps: `(func (export "t") unreachable)`. */
const TRAPPING_MODULE = Buffer.from('0061736d0100000001040160000003020100070501017400000a05010300000b', 'hex');

/**
 * What every call to the host rejects with once the evaluation is given up. A runtime lets it pass through its guest as it is:
 * neither a text for the guest nor an error of the runtime's own.
 *
 * It is a real trap. Guests can catch whatever else an import throws (`catch_all` of the exception-handling proposal), and would
 * run on; a trap unwinds them. Unwound they must be: to the engine a suspended stack is a root, so a guest that is never resumed
 * keeps its memory for as long as the thread lives.
 */
export const ABANDONMENT: Error = realTrap();

function realTrap(): Error {
  const { t: trap } = new WebAssembly.Instance(new WebAssembly.Module(TRAPPING_MODULE)).exports;
  try {
    if (typeof trap === 'function') trap();
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) {
      error.message = 'the evaluation was given up';
      return error;
    }
  }
  throw new TypeError('the engine does not trap');
}
