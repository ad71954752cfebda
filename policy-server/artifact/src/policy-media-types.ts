/** Of the one layer that is a policy's module. */
export const LAYER_MEDIA_TYPE = 'application/vnd.wasm.content.layer.v1+wasm';
/** Of a policy's configuration, which is empty. */
export const CONFIG_MEDIA_TYPE = 'application/vnd.wasm.config.v1+json';
