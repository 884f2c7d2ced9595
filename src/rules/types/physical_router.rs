//! physical-router (contrail-api R21: PR-*).

use crate::{
    model::field_name,
    python_literal,
    rules::{
        engine::{Decision, Draft, Rejection, Rules, Work, rule},
        shared::single_reference,
    },
};
use aes::{
    Aes256,
    cipher::{Array, BlockCipherEncrypt, KeyInit},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use uuid::Uuid;

/// The rules of the type.
pub const RULES: Rules = Rules { before_create, before_update: complete, ..Rules::NONE };

const CREDENTIALS: &str = field_name::PHYSICAL_ROUTER_USER_CREDENTIALS;
const ENCRYPTION: &str = field_name::PHYSICAL_ROUTER_ENCRYPTION_TYPE;
const LOCAL: &str = "local";

/// PR-C1: a device does not begin its life half way.
fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let state = draft.value(field_name::PHYSICAL_ROUTER_MANAGED_STATE);
    if let Some(state) = state.as_ref().and_then(Value::as_str).filter(|state| matches!(*state, "rma" | "activating")) {
        let name = python_literal::list(draft.fq_name.elements());
        return Err(Rejection::bad_request(format!("Managed state cannot be {state} for router {name}"))
            .by(rule::PR_C1)
            .about(field_name::PHYSICAL_ROUTER_MANAGED_STATE));
    }
    complete(work, draft)
}

fn complete(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    // PR-C3
    single_reference::check(
        work,
        draft,
        rule::PR_C3,
        field_name::TELEMETRY_PROFILE_REFS,
        "Physical router",
        "telemetry profile",
    )?;
    encrypt_password(draft);
    Ok(())
}

/// PR-C2: passwords are stored as device managers read them. That hides them from a glance only: the key is the uuid.
fn encrypt_password(draft: &mut Draft) {
    let Some(mut credentials) = draft.given(CREDENTIALS).cloned() else { return };
    let Some(password) = credentials.get("password").and_then(Value::as_str).map(str::to_owned) else { return };
    let stored = draft.stored_value(CREDENTIALS);
    let unchanged = stored.is_some_and(|stored| stored.get("password").and_then(Value::as_str) == Some(&password));
    if unchanged || draft.sent(ENCRYPTION) == Some(LOCAL.into()) {
        return;
    }
    credentials["password"] = encrypt(draft.uuid, &password).into();
    draft.set(CREDENTIALS, credentials);
    draft.set(ENCRYPTION, LOCAL.into());
}

/// AES in blocks, text and key padded with blanks on the left, in base64.
fn encrypt(uuid: Uuid, password: &str) -> String {
    const BLOCK: usize = 16;
    let uuid = uuid.to_string();
    let mut key = Array::default();
    // The last 32 of its 36 characters.
    for (slot, byte) in key.iter_mut().zip(uuid.bytes().skip(uuid.len() - 32)) {
        *slot = byte;
    }
    let cipher = Aes256::new(&key);
    let padding = password.len().next_multiple_of(BLOCK) - password.len();
    let padded: Vec<u8> = std::iter::repeat_n(b' ', padding).chain(password.bytes()).collect();
    let mut encrypted = Vec::with_capacity(padded.len());
    for bytes in padded.chunks(BLOCK) {
        let mut block = Array::default();
        for (slot, byte) in block.iter_mut().zip(bytes) {
            *slot = *byte;
        }
        cipher.encrypt_block(&mut block);
        encrypted.extend_from_slice(&block);
    }
    STANDARD.encode(encrypted)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What openssl makes of it:
    /// `printf '          secret' | openssl enc -aes-256-ecb -nopad -K <hex of the key> -base64`
    #[test]
    fn the_cipher_is_that_of_the_peer() {
        let uuid = Uuid::try_parse("11111111-1111-4111-8111-111111111111").unwrap();
        assert_eq!(encrypt(uuid, "secret"), "fRBM8vyR+Bt2VKBuZMXynA==");
        assert_eq!(encrypt(uuid, ""), "");
        assert_eq!(STANDARD.decode(encrypt(uuid, &"x".repeat(17))).unwrap().len(), 32);
    }
}
