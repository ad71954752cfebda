/**
 * Where the image keeps what the glue needs: the far end of the engine's 1 MiB stack, which grows down from its top and is
 * held to 256 KiB by QuickJS itself. Addresses near 0 stay free: they would hide a null pointer.
 */
export const RESERVED_ADDRESS = 1024;

/** Said without allocating, when there is nothing left to allocate from. */
export const OUT_OF_MEMORY = 'the policy ran out of memory';

/** Beside the handle on the dispatcher. */
export const OUT_OF_MEMORY_ADDRESS = RESERVED_ADDRESS + 16;

/** Engine functions the glue calls, by export name; `$name` in the text stands for them. */
export const ENGINE_FUNCTIONS = [
  'wasm_malloc',
  'wasm_free',
  'qjs_new_string',
  'qjs_get_string_len',
  'qjs_free_cstring',
  'qjs_call',
  'qjs_get_undefined',
  'qjs_is_exception',
  'qjs_get_exception',
  'qjs_throw',
  'qjs_free_value',
] as const;

/**
 * The two sides of the glue, as text: `__guest_call` turns a waPC call into a call of the policy's dispatcher, `host_call`
 * turns a call of JavaScript's `__hostCall(binding, namespace, operation, payload)` into a waPC host call. The rest answers the
 * engine's imports so that none is left: a clock that stands still, no entropy, no files.
 *
 * waPC: `__guest_call` returns 1 and has set a response, or returns 0 and has set an error; `__host_call` returns 1 on success.
 */
export const GLUE = `(module
  (import "env" "memory" (memory $0 0))
  (import "engine" "wasm_malloc" (func $wasm_malloc (param i32) (result i32)))
  (import "engine" "wasm_free" (func $wasm_free (param i32)))
  (import "engine" "qjs_new_string" (func $qjs_new_string (param i32 i32) (result i32)))
  (import "engine" "qjs_get_string_len" (func $qjs_get_string_len (param i32 i32) (result i32)))
  (import "engine" "qjs_free_cstring" (func $qjs_free_cstring (param i32)))
  (import "engine" "qjs_call" (func $qjs_call (param i32 i32 i32 i32) (result i32)))
  (import "engine" "qjs_get_undefined" (func $qjs_get_undefined (result i32)))
  (import "engine" "qjs_is_exception" (func $qjs_is_exception (param i32) (result i32)))
  (import "engine" "qjs_get_exception" (func $qjs_get_exception (result i32)))
  (import "engine" "qjs_throw" (func $qjs_throw (param i32) (result i32)))
  (import "engine" "qjs_free_value" (func $qjs_free_value (param i32)))
  (import "wapc" "__guest_request" (func $guest_request (param i32 i32)))
  (import "wapc" "__guest_response" (func $guest_response (param i32 i32)))
  (import "wapc" "__guest_error" (func $guest_error (param i32 i32)))
  (import "wapc" "__host_call" (func $host_call_wapc (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wapc" "__host_response_len" (func $host_response_len (result i32)))
  (import "wapc" "__host_response" (func $host_response (param i32)))
  (import "wapc" "__host_error_len" (func $host_error_len (result i32)))
  (import "wapc" "__host_error" (func $host_error (param i32)))

  (func $out_of_memory (result i32)
    (call $guest_error (i32.const ${OUT_OF_MEMORY_ADDRESS}) (i32.const ${OUT_OF_MEMORY.length}))
    (i32.const 0))

  (func $is_failure (param $value i32) (result i32)
    (if (result i32) (local.get $value)
      (then (call $qjs_is_exception (local.get $value)))
      (else (i32.const 1))))

  (func $__guest_call (export "__guest_call") (param $operation_length i32) (param $payload_length i32) (result i32)
    (local $operation i32) (local $payload i32) (local $arguments i32) (local $result i32) (local $text i32) (local $ok i32)
    (local.set $operation (call $wasm_malloc (i32.add (local.get $operation_length) (i32.const 1))))
    (local.set $payload (call $wasm_malloc (i32.add (local.get $payload_length) (i32.const 1))))
    (local.set $arguments (call $wasm_malloc (i32.const 16)))
    (if (i32.or (i32.or (i32.eqz (local.get $operation)) (i32.eqz (local.get $payload))) (i32.eqz (local.get $arguments)))
      (then (return (call $out_of_memory))))
    (call $guest_request (local.get $operation) (local.get $payload))
    (i32.store (local.get $arguments) (call $qjs_new_string (local.get $operation) (local.get $operation_length)))
    (i32.store offset=4 (local.get $arguments) (call $qjs_new_string (local.get $payload) (local.get $payload_length)))
    (call $wasm_free (local.get $operation))
    (call $wasm_free (local.get $payload))
    (if (i32.or (call $is_failure (i32.load (local.get $arguments))) (call $is_failure (i32.load offset=4 (local.get $arguments))))
      (then (return (call $out_of_memory))))
    (local.set $result (call $qjs_call (i32.load (i32.const ${RESERVED_ADDRESS})) (call $qjs_get_undefined) (i32.const 2) (local.get $arguments)))
    (local.set $ok (i32.eqz (call $is_failure (local.get $result))))
    (if (i32.eqz (local.get $ok)) (then (local.set $result (call $qjs_get_exception))))
    (if (i32.eqz (local.get $result)) (then (return (call $out_of_memory))))
    (local.set $text (call $qjs_get_string_len (local.get $result) (i32.add (local.get $arguments) (i32.const 8))))
    (if (i32.eqz (local.get $text)) (then (return (call $out_of_memory))))
    (if (local.get $ok)
      (then (call $guest_response (local.get $text) (i32.load offset=8 (local.get $arguments))))
      (else (call $guest_error (local.get $text) (i32.load offset=8 (local.get $arguments)))))
    (call $qjs_free_cstring (local.get $text))
    (call $qjs_free_value (local.get $result))
    (call $qjs_free_value (i32.load (local.get $arguments)))
    (call $qjs_free_value (i32.load offset=4 (local.get $arguments)))
    (call $wasm_free (local.get $arguments))
    (local.get $ok))

  (func $argument (param $arguments i32) (param $index i32) (param $length_address i32) (result i32)
    (call $qjs_get_string_len
      (i32.load (i32.add (local.get $arguments) (i32.mul (local.get $index) (i32.const 4))))
      (local.get $length_address)))

  (func $throw_text (param $text i32) (param $length i32) (result i32)
    (local $value i32)
    (local.set $value (call $qjs_new_string (local.get $text) (local.get $length)))
    (if (i32.eqz (call $is_failure (local.get $value)))
      (then (drop (call $qjs_throw (local.get $value))) (call $qjs_free_value (local.get $value))))
    (i32.const 0))

  (func $host_call (export "env.host_call")
    (param $name i32) (param $name_length i32) (param $this i32) (param $count i32) (param $arguments i32) (result i32)
    (local $lengths i32) (local $binding i32) (local $namespace i32) (local $operation i32) (local $payload i32)
    (local $ok i32) (local $length i32) (local $answer i32) (local $value i32)
    (if (i32.ne (local.get $count) (i32.const 4)) (then (return (i32.const 0))))
    (local.set $lengths (call $wasm_malloc (i32.const 16)))
    (if (i32.eqz (local.get $lengths)) (then (return (i32.const 0))))
    (local.set $binding (call $argument (local.get $arguments) (i32.const 0) (local.get $lengths)))
    (local.set $namespace (call $argument (local.get $arguments) (i32.const 1) (i32.add (local.get $lengths) (i32.const 4))))
    (local.set $operation (call $argument (local.get $arguments) (i32.const 2) (i32.add (local.get $lengths) (i32.const 8))))
    (local.set $payload (call $argument (local.get $arguments) (i32.const 3) (i32.add (local.get $lengths) (i32.const 12))))
    (if (i32.or
          (i32.or (i32.eqz (local.get $binding)) (i32.eqz (local.get $namespace)))
          (i32.or (i32.eqz (local.get $operation)) (i32.eqz (local.get $payload))))
      (then (return (i32.const 0))))
    (local.set $ok (call $host_call_wapc
      (local.get $binding) (i32.load (local.get $lengths))
      (local.get $namespace) (i32.load offset=4 (local.get $lengths))
      (local.get $operation) (i32.load offset=8 (local.get $lengths))
      (local.get $payload) (i32.load offset=12 (local.get $lengths))))
    (call $wasm_free (local.get $lengths))
    (call $qjs_free_cstring (local.get $binding))
    (call $qjs_free_cstring (local.get $namespace))
    (call $qjs_free_cstring (local.get $operation))
    (call $qjs_free_cstring (local.get $payload))
    (local.set $length
      (if (result i32) (local.get $ok) (then (call $host_response_len)) (else (call $host_error_len))))
    (local.set $answer (call $wasm_malloc (i32.add (local.get $length) (i32.const 1))))
    (if (i32.eqz (local.get $answer))
      (then (return (call $throw_text (i32.const ${OUT_OF_MEMORY_ADDRESS}) (i32.const ${OUT_OF_MEMORY.length})))))
    (if (local.get $ok)
      (then
        (call $host_response (local.get $answer))
        (local.set $value (call $qjs_new_string (local.get $answer) (local.get $length)))
        (if (call $is_failure (local.get $value)) (then (local.set $value (i32.const 0)))))
      (else
        (call $host_error (local.get $answer))
        (local.set $value (call $throw_text (local.get $answer) (local.get $length)))))
    (call $wasm_free (local.get $answer))
    (local.get $value))

  (func (export "env.host_get_timezone_offset") (param i32 i32) (result i32) (i32.const 0))
  (func (export "env.host_interrupt") (result i32) (i32.const 0))
  (func (export "env.host_promise_rejection") (param $promise i32) (param $reason i32) (param i32)
    (call $qjs_free_value (local.get $promise))
    (call $qjs_free_value (local.get $reason)))
  (func (export "env.host_module_normalize") (param i32 i32) (result i32) (i32.const 0))
  (func (export "env.host_module_load") (param i32 i32) (result i32) (i32.const 0))

  (func (export "wasi_snapshot_preview1.clock_time_get") (param i32 i64 i32) (result i32)
    (i64.store (local.get 2) (i64.const 0))
    (i32.const 0))
  (func (export "wasi_snapshot_preview1.fd_close") (param i32) (result i32) (i32.const 8))
  (func (export "wasi_snapshot_preview1.fd_fdstat_get") (param i32 i32) (result i32) (i32.const 8))
  (func (export "wasi_snapshot_preview1.fd_seek") (param i32 i64 i32 i32) (result i32) (i32.const 8))
  (func (export "wasi_snapshot_preview1.fd_write") (param i32 i32 i32 i32) (result i32) (i32.const 8))
  (func (export "wasi_snapshot_preview1.random_get") (param i32 i32) (result i32) (i32.const 52))
)`;
