//! Denies Pods with privileged containers: the same rule as `policies/pod-privileged` (TypeScript) and `pod-privileged-rego`.
use kubewarden_policy_sdk::{
    accept_request, protocol_version_guest, reject_request, request::ValidationRequest,
};
use serde::{Deserialize, Serialize};
use serde_json::{json, Value};
use wapc_guest::{register_function, CallResult};

#[derive(Deserialize, Serialize, Default, Debug)]
#[serde(default)]
struct Settings {}

const LISTS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

#[no_mangle]
pub extern "C" fn wapc_init() {
    register_function("validate", validate);
    register_function("validate_settings", validate_settings);
    register_function("protocol_version", protocol_version_guest);
}

fn validate(payload: &[u8]) -> CallResult {
    let request = ValidationRequest::<Settings>::new(payload)?;
    let spec = &request.request.object["spec"];
    let privileged: Vec<String> = LISTS.iter().flat_map(|list| privileged_of(spec, list)).collect();
    if privileged.is_empty() {
        return accept_request();
    }
    let message = format!("privileged containers are not allowed: {}", privileged.join(", "));
    reject_request(Some(message), None, None, None)
}

fn privileged_of(spec: &Value, list: &str) -> Vec<String> {
    let containers = spec[list].as_array().map(Vec::as_slice).unwrap_or_default();
    let privileged = |container: &&Value| container["securityContext"]["privileged"] == json!(true);
    containers.iter().filter(privileged).map(|container| container["name"].to_string()).collect()
}

fn validate_settings(_payload: &[u8]) -> CallResult {
    Ok(serde_json::to_vec(&json!({"valid": true}))?)
}
