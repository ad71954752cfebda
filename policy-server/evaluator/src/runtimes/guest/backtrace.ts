import { type OriginalPositions, originalPositions } from '../../link/positions.ts';

const MAX_FRAMES = 20;
const MAX_NAME_LENGTH = 200;

/** V8: `    at module.function (wasm://wasm/module-0badcafe:wasm-function[7]:0x1a22)`; module and function may lack a name. */
const FRAME =
  /^\s+at (?:(?<name>.*) \()?wasm:\/\/wasm\/(?<script>.*):wasm-function\[(?<index>\d+)\]:0x(?<offset>[0-9a-f]+)\)?$/;

/**
 * The guest's part of an error's stack in the form policy authors know from wasmtime, or the error's message if no frame of the
 * guest is on it. Offsets are those of the module as its author built it.
 */
export function backtraceOf(error: unknown, module?: WebAssembly.Module): string {
  // An exception of the guest's own has no stack.
  if (!(error instanceof Error)) return 'uncaught exception';
  const positions = module && originalPositions(module);
  const frames = (error.stack ?? '')
    .split('\n')
    .flatMap((line) => describeFrame(line, positions) ?? [])
    .slice(0, MAX_FRAMES);
  if (frames.length === 0) return error.message;
  const lines = frames.map((frame, index) => `\n  ${String(index).padStart(3)}: ${frame}`);
  return `error while executing at wasm backtrace:${lines.join('')}`;
}

function describeFrame(line: string, positions: OriginalPositions | undefined): string | undefined {
  const { name = '', script = '', index, offset: linkedOffset = '' } = FRAME.exec(line)?.groups ?? {};
  if (index === undefined) return undefined;
  // The link step's own functions stand for instructions.
  if (positions !== undefined && Number(index) >= positions.functionCount) return undefined;
  const offset = positions?.offsetOf(Number.parseInt(linkedOffset, 16)).toString(16) ?? linkedOffset;
  // The script is named `<module>-<8 hex digits>`, or by the digits alone.
  const moduleName = script.slice(0, Math.max(0, script.length - 9));
  const functionName = withoutModule(name, moduleName);
  const shownFunction = functionName === '' ? `<wasm function ${index}>` : printable(functionName);
  return `${`0x${offset}`.padStart(8)} - ${moduleName === '' ? '<unknown>' : printable(moduleName)}!${shownFunction}`;
}

function withoutModule(name: string, moduleName: string): string {
  if (moduleName === '') return name;
  if (name === moduleName) return '';
  return name.startsWith(`${moduleName}.`) ? name.slice(moduleName.length + 1) : name;
}

/** Names are the guest's own text and end up in logs. */
function printable(name: string): string {
  // eslint-disable-next-line eslint/no-control-regex -- control characters are what is replaced
  return name.slice(0, MAX_NAME_LENGTH).replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, '\uFFFD');
}
