interface Platform {
  readonly WebAssembly: {
    readonly Module: new (bytes: Uint8Array) => object;
    readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
  };
}

/**
 * What is used of the platform's WebAssembly. TypeScript knows it from the types of browsers only, and whoever builds or
 * tests a policy for a server need not have those.
 */
export const { Module, Instance } = (globalThis as unknown as Platform).WebAssembly;
