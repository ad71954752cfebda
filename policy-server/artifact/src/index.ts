export { ArtifactError, type ArtifactErrorCode } from './errors.ts';
export { fileErrorReason, readFileBounded, type FileReader } from './file.ts';
export { inspectModule, loadModule, type LoadedModule, type LoadOptions } from './load.ts';
export { formatModuleLocation, parseModuleLocation, type ModuleLocation } from './location.ts';
export { checkMinimumVersion, KUBEWARDEN_VERSION, unmetMinimumVersion } from './version.ts';
export { YamlError, YamlTagged, type YamlDocument, type YamlNode } from './yaml/node.ts';
export { resolvePlainScalar } from './yaml/plain-scalar.ts';
export { parseYaml, parseYamlDocuments, type YamlPath, type YamlReadOptions } from './yaml/reader.ts';
export { stringifyYaml } from './yaml/writer.ts';
