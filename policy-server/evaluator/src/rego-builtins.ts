/** Names of the Rego builtins the host implements, sorted; `opa build` compiles the others into the module. Loads them all. */
export async function regoBuiltinNames(): Promise<readonly string[]> {
  const { REGO_BUILTIN_NAMES } = await import('./runtimes/rego/builtins/table.ts');
  return REGO_BUILTIN_NAMES;
}
