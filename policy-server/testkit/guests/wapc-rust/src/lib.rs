//! waPC guest built with the published Rust SDK. Behaviours: see ../README.md.
use kubewarden_policy_sdk::{
    accept_request, protocol_version_guest, reject_request, request::ValidationRequest,
};
use serde::{Deserialize, Serialize};
use serde_json::{json, Value};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use wapc_guest::{console_log, host_call, register_function, CallResult};

#[derive(Deserialize, Serialize, Default, Debug)]
#[serde(default)]
struct Settings {
    behaviour: String,
    message: Option<String>,
    code: Option<u16>,
    valid: Option<bool>,
    namespace: String,
    operation: String,
    payload: String,
}

static CALLS: AtomicU32 = AtomicU32::new(0);

#[no_mangle]
pub extern "C" fn wapc_init() {
    register_function("validate", validate);
    register_function("validate_settings", validate_settings);
    register_function("protocol_version", protocol_version_guest);
}

fn spin() -> ! {
    loop {
        CALLS.fetch_add(1, Ordering::Relaxed);
    }
}

fn reject(message: String, code: Option<u16>) -> CallResult {
    reject_request(Some(message), code, None, None)
}

fn validate(payload: &[u8]) -> CallResult {
    let calls = CALLS.fetch_add(1, Ordering::Relaxed) + 1;
    let request = ValidationRequest::<Settings>::new(payload)?;
    let settings = &request.settings;
    match settings.behaviour.as_str() {
        "" | "accept" => accept_request(),
        "reject" => reject(
            settings.message.clone().unwrap_or("rejected by guest".into()),
            settings.code,
        ),
        "mutate" => mutate(payload),
        "warn" => {
            let annotations = HashMap::from([("seen".to_string(), "yes".to_string())]);
            Ok(serde_json::to_vec(&json!({
                "accepted": true, "warnings": ["careful"], "audit_annotations": annotations
            }))?)
        }
        "echo" => reject(String::from_utf8(payload.to_vec())?, None),
        "counter" => reject(calls.to_string(), None),
        "leak" => {
            std::mem::forget(vec![1u8; 1 << 20]);
            accept_request()
        }
        "log" => {
            console_log("a line from the guest");
            accept_request()
        }
        "host-call" => {
            let answer = host_call(
                "kubewarden",
                &settings.namespace,
                &settings.operation,
                settings.payload.as_bytes(),
            );
            match answer {
                Ok(bytes) => reject(String::from_utf8(bytes)?, None),
                Err(error) => reject(error.to_string(), None),
            }
        }
        "error" => Err("guest error".into()),
        "bad-response" => Ok(br#"{"nonsense":true}"#.to_vec()),
        "trap" => core::arch::wasm32::unreachable(),
        "loop" => spin(),
        other => Err(format!("unknown behaviour {other}").into()),
    }
}

/// Works on the raw payload: the typed request would drop what the SDK does not know.
fn mutate(payload: &[u8]) -> CallResult {
    let mut payload: Value = serde_json::from_slice(payload)?;
    let mut object = payload["request"]["object"].take();
    object["metadata"]["labels"]["guest"] = json!("mutated");
    Ok(serde_json::to_vec(&json!({"accepted": true, "mutated_object": object}))?)
}

fn validate_settings(payload: &[u8]) -> CallResult {
    let settings: Settings = serde_json::from_slice(payload)?;
    match settings.behaviour.as_str() {
        "loop-settings" => spin(),
        "trap-settings" => core::arch::wasm32::unreachable(),
        _ => {}
    }
    let valid = settings.valid.unwrap_or(true);
    let message = settings.message.unwrap_or("refused by guest".into());
    let answer = if valid { json!({"valid": true}) } else { json!({"valid": false, "message": message}) };
    Ok(serde_json::to_vec(&answer)?)
}
