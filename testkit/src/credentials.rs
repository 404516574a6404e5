//! Decentralised NATS authentication for tests: an operator, an account and `.creds` files of users.

use anyhow::{Context, Result};
use data_encoding::BASE64URL_NOPAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

/// An account of an operator made for one test; its server admits only users that it signed.
pub struct JwtAccount {
    operator: KeyPair,
    account: KeyPair,
}

impl JwtAccount {
    /// New keys.
    #[must_use]
    pub fn generate() -> Self {
        Self {
            operator: KeyPair::new_operator(),
            account: KeyPair::new_account(),
        }
    }

    /// Server configuration for [`crate::NatsOptions::config`].
    pub fn config(&self) -> Result<String> {
        let operator = sign(&self.operator, &self.operator, &json!({"type": "operator"}))?;
        let limits = json!({
            "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
            "conn": -1, "leaf": -1,
        });
        let account = sign(
            &self.operator,
            &self.account,
            &json!({"type": "account", "limits": limits}),
        )?;
        let name = self.account.public_key();
        Ok(format!(
            "operator: {operator}\nresolver: MEMORY\nresolver_preload: {{ {name}: {account} }}"
        ))
    }

    /// The text of a `.creds` file of a new user. `permissions` are a user claim's `pub` and `sub`, `{}` for all.
    pub fn user(&self, permissions: &Value) -> Result<String> {
        let user = KeyPair::new_user();
        let mut claim = json!({"type": "user", "subs": -1, "data": -1, "payload": -1});
        for side in ["pub", "sub"] {
            let side_claim = permissions.get(side).cloned().unwrap_or_else(|| json!({}));
            claim
                .as_object_mut()
                .context("a claim is an object")?
                .insert(side.to_owned(), side_claim);
        }
        let jwt = sign(&self.account, &user, &claim)?;
        let seed = user.seed()?;
        Ok(format!(
            "-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
        ))
    }
}

/// A NATS JWT (version 2) in which `issuer` says `claim` of `subject`.
fn sign(issuer: &KeyPair, subject: &KeyPair, claim: &Value) -> Result<String> {
    let mut claim = claim.clone();
    claim
        .as_object_mut()
        .context("a claim is an object")?
        .insert("version".to_owned(), json!(2));
    let body = json!({
        "jti": subject.public_key(), "iat": 1_700_000_000, "iss": issuer.public_key(), "name": "test",
        "sub": subject.public_key(), "nats": claim,
    });
    let header = json!({"typ": "JWT", "alg": "ed25519-nkey"});
    let encode = |part: &Value| BASE64URL_NOPAD.encode(part.to_string().as_bytes());
    let signed = format!("{}.{}", encode(&header), encode(&body));
    let signature = BASE64URL_NOPAD.encode(&issuer.sign(signed.as_bytes())?);
    Ok(format!("{signed}.{signature}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NatsServer;

    #[tokio::test]
    async fn only_the_accounts_users_are_admitted() {
        let account = JwtAccount::generate();
        let config = account.config().unwrap();
        let server = NatsServer::options().config(&config).start().unwrap();
        let login = |creds: &str| async_nats::ConnectOptions::with_credentials(creds).unwrap();
        let user = account.user(&json!({})).unwrap();
        login(&user).connect(server.url()).await.unwrap();
        let stranger = JwtAccount::generate().user(&json!({})).unwrap();
        assert!(login(&stranger).connect(server.url()).await.is_err());
        assert!(server.connect().await.is_err());
    }
}
