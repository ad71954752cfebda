import { quote } from "../json-text";
import { hostCall } from "./host-call";

// Logging is open to every policy, whatever host capabilities it was granted.

export function logDebug(message: string): void {
  log("debug", message);
}

export function logInfo(message: string): void {
  log("info", message);
}

export function logWarning(message: string): void {
  log("warning", message);
}

export function logError(message: string): void {
  log("error", message);
}

function log(level: string, message: string): void {
  hostCall("tracing", "log", `{"level":"${level}","message":${quote(message)}}`);
}
