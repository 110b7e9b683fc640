use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::*;

struct File(PathBuf);

impl File {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("{}.json", crate::id::random_base62(16))))
    }

    fn write(&self, values: &[(&str, &str)], mode: u32) {
        let all: BTreeMap<_, _> = values.iter().copied().collect();
        std::fs::write(&self.0, serde_json::to_vec(&all).unwrap()).unwrap();
        std::fs::set_permissions(&self.0, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn secrets(&self, keep: Duration) -> Secrets {
        let tls = crate::tls::client_config().unwrap();
        Secrets::of_file(&self.0, keep, reqwest::Client::builder().tls_backend_preconfigured(tls).build().unwrap())
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _already_gone = std::fs::remove_file(&self.0);
    }
}

async fn accepted(secrets: &Secrets) -> Vec<String> {
    let all = secrets.accepted(SecretName::WebhookMacKey).await.unwrap();
    all.iter().map(|secret| secret.expose_secret().to_owned()).collect()
}

#[tokio::test]
async fn while_a_secret_is_exchanged_both_values_are_accepted() {
    let file = File::new();
    file.write(&[("webhook_mac_key", "a")], 0o600);
    let secrets = file.secrets(Duration::ZERO);
    assert_eq!(accepted(&secrets).await, ["a"]);
    file.write(&[("webhook_mac_key", "b"), ("webhook_mac_key_previous", "a")], 0o600);
    assert_eq!(accepted(&secrets).await, ["b", "a"]);
    file.write(&[("webhook_mac_key", "b"), ("webhook_mac_key_previous", "")], 0o600);
    assert_eq!(accepted(&secrets).await, ["b"]);
    assert!(matches!(secrets.get(SecretName::FalKey).await, Err(SecretError::Missing("fal_key"))));
    // Half a file, or none: what is known is used.
    std::fs::write(&file.0, "{").unwrap();
    assert_eq!(accepted(&secrets).await, ["b"]);
}

#[tokio::test]
async fn a_value_is_kept_until_somebody_refuses_it() {
    let file = File::new();
    file.write(&[("webhook_mac_key", "a")], 0o600);
    let secrets = file.secrets(Duration::from_secs(300));
    assert_eq!(accepted(&secrets).await, ["a"]);
    file.write(&[("webhook_mac_key", "b")], 0o600);
    assert_eq!(accepted(&secrets).await, ["a"], "nobody has refused it");
    secrets.distrust(SecretName::WebhookMacKey).await;
    assert_eq!(accepted(&secrets).await, ["b"]);
    file.write(&[("webhook_mac_key", "c")], 0o600);
    secrets.distrust(SecretName::WebhookMacKey).await;
    assert_eq!(accepted(&secrets).await, ["b"], "it was read again a moment ago");
    secrets.cache.lock().await.forced.clear();
    secrets.distrust(SecretName::WebhookMacKey).await;
    assert_eq!(accepted(&secrets).await, ["c"]);
}

#[tokio::test]
async fn a_file_that_others_can_read_is_closed() {
    for mode in [0o644, 0o640, 0o604, 0o660, 0o777] {
        let file = File::new();
        file.write(&[("webhook_mac_key", "a")], mode);
        assert_eq!(accepted(&file.secrets(Duration::ZERO)).await, ["a"]);
        assert_eq!(std::fs::metadata(&file.0).unwrap().permissions().mode() & 0o777, 0o600, "{mode:o}");
    }
}

#[test]
fn no_secret_is_shown() {
    let file = File::new();
    assert!(!format!("{:?}", file.secrets(Duration::ZERO)).contains("token"));
    assert!(!format!("{:?}", SecretString::from("canary")).contains("canary"));
}
