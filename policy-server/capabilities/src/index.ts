export {
  createBackend,
  type CapabilityBackend,
  type CapabilityHandler,
  type CapabilityHandlers,
  type RequestContext,
} from './backend.ts';
export {
  createCapabilities,
  type CapabilitiesOptions,
  type CapabilityContext,
  type CapabilitySession,
  type Denial,
  type HostCalls,
} from './capabilities.ts';
export type { CertificateOptions } from './crypto/certificate-handler.ts';
export { createCertificateHandler, createRegistryCapabilities } from './deferred.ts';
export { createDnsHandler, type DnsOptions, type HostResolver } from './dns.ts';
export { CapabilityError, type CapabilityErrorCode } from './errors.ts';
export type { LogLevel, PolicyLog, PolicyLogEvent } from './policy-log.ts';
export type { CapabilityRequest, CapabilityRequestType, HostOnlyRequest, RequestOf } from './request.ts';
export type { RegistryCapabilities, RegistryCapabilitiesOptions } from './registry-capabilities.ts';
export type { CacheLookup, CacheResult } from './cache/lookup.ts';
export { debugRequest, debugString } from './session/debug-text.ts';
export { RecordSession } from './session/record.ts';
export { ReplaySession } from './session/replay.ts';
export { formatSession, parseSession, type Exchange, type ExchangeResponse } from './session/session-file.ts';
