use p256::pkcs8::EncodePrivateKey as _;

use super::*;

const ORIGIN: &str = "https://example.org";

fn signer() -> MediaSigner {
    let key = SigningKey::from_slice(&crate::id::random::<32>()).unwrap();
    let pem = p256::SecretKey::from(key).to_pkcs8_pem(p256::pkcs8::LineEnding::LF).unwrap();
    MediaSigner::new(&pem, "KTEST", ORIGIN).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// Name and value of each cookie, as a browser sends them back.
fn pairs(cookies: &[String; 4]) -> Vec<(String, String)> {
    cookies
        .iter()
        .map(|cookie| {
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        })
        .collect()
}

fn check(verifier: &MediaVerifier, resource: &str, pairs: &[(String, String)], now: Timestamp) -> Result<(), Denied> {
    verifier.verify_cookies(resource, pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())), now)
}

#[test]
fn cookies_open_one_folder_for_an_hour() {
    let signer = signer();
    let cookies = signer.cookies("Pre", at(0));
    for cookie in &cookies {
        assert!(cookie.ends_with("; Path=/media/; Secure; HttpOnly; SameSite=Strict; Max-Age=3600"), "{cookie}");
    }
    let (verifier, pairs) = (signer.verifier(), pairs(&cookies));
    let mine = "https://example.org/media/Pre/0190/original.png";
    assert_eq!(check(&verifier, mine, &pairs, at(0)), Ok(()));
    assert_eq!(check(&verifier, mine, &pairs, at(3_599)), Ok(()));
    assert_eq!(check(&verifier, mine, &pairs, at(3_600)), Err(Denied::Expired));
    for other in [
        "https://example.org/media/Other/0190/original.png",
        "https://example.org/media/Prefix/x",
        "https://example.org/media/Pre",
        "https://example.org/media/Pre/",
        "https://example.org/media/pre/x",
        "http://example.org/media/Pre/x",
        "https://example.org:8443/media/Pre/x",
        "https://evil.example/media/Pre/x",
        "https://example.org/media/Pre/../Other/x",
        "https://example.org/media/Pre/%2e%2e/Other/x",
        "https://example.org/media/Pre/%2E./Other/x",
        "https://example.org/media/Pre/..%2fOther/x",
        "https://example.org/media/Pre/..\\Other/x",
        "https://example.org/media/Pre//x",
        "https://example.org/media/Pre/./x",
        "media/Pre/x",
    ] {
        assert_eq!(check(&verifier, other, &pairs, at(0)), Err(Denied::Resource), "{other}");
    }
    assert_eq!(check(&verifier, mine, &[], at(0)), Err(Denied::Unsigned));
    let unrelated = [("theme".to_owned(), "dark".to_owned())];
    assert_eq!(check(&verifier, mine, &unrelated, at(0)), Err(Denied::Unsigned));
}

#[test]
fn every_changed_byte_of_a_cookie_shuts_the_door() {
    let signer = signer();
    let (verifier, good) = (signer.verifier(), pairs(&signer.cookies("Pre", at(0))));
    let mine = "https://example.org/media/Pre/x";
    for place in 0..4 {
        for index in 0..good[place].1.len() {
            let mut bad = good.clone();
            let mut value = bad[place].1.clone().into_bytes();
            value[index] = if value[index] == b'A' { b'B' } else { b'A' };
            bad[place].1 = String::from_utf8(value).unwrap();
            assert!(check(&verifier, mine, &bad, at(0)).is_err(), "{} at {index}", bad[place].0);
        }
        let mut without = good.clone();
        without.remove(place);
        assert!(check(&verifier, mine, &without, at(0)).is_err(), "without {}", good[place].0);
        let mut twice = good.clone();
        twice.push(good[place].clone());
        assert_eq!(check(&verifier, mine, &twice, at(0)), Err(Denied::Malformed));
    }
    let stranger = super::tests::signer();
    assert_eq!(check(&verifier, mine, &pairs(&stranger.cookies("Pre", at(0))), at(0)), Err(Denied::Signature));
    let mut renamed = good;
    renamed[2].1 = "KOTHER".to_owned();
    assert_eq!(check(&verifier, mine, &renamed, at(0)), Err(Denied::Key));
}

#[test]
fn a_signed_address_is_that_address_only() {
    let signer = signer();
    let verifier = signer.verifier();
    let url = signer.url("media/Pre/0190/original.png", at(0), 60);
    assert!(url.starts_with("https://example.org/media/Pre/0190/original.png?Expires=1800000060&Signature="), "{url}");
    assert!(url.ends_with("&Key-Pair-Id=KTEST&Hash-Algorithm=SHA256"), "{url}");
    assert_eq!(verifier.verify_url(&url, at(59)), Ok(()));
    assert_eq!(verifier.verify_url(&url, at(60)), Err(Denied::Expired));
    for bad in [
        url.replace("original.png", "thumb-512.webp"),
        url.replace("1800000060", "1800009999"),
        url.replace("KTEST", "KOTHER"),
        url.replace("SHA256", "SHA1"),
        format!("{url}&Expires=1800009999"),
        format!("{url}&x=y"),
        url.replace("Expires=1800000060", "Expires=%31800000060"),
        url.replace("/0190/", "/*/"),
        url.replace("/Pre/", "/Pre/../Pre/"),
        url.split('?').next().unwrap().to_owned(),
        "https://example.org/media/Pre/0190/original.png?".to_owned(),
    ] {
        assert!(verifier.verify_url(&bad, at(0)).is_err(), "{bad}");
    }
    let long = signer.url("media/Pre/x", at(0), 1_000_000);
    assert_eq!(verifier.verify_url(&long, at(MAX_LIFE)), Err(Denied::Expired), "an hour at most");
}

#[test]
fn what_is_no_key_is_refused() {
    assert!(MediaSigner::new("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "K", ORIGIN).is_err());
    let shown = format!("{:?}", signer());
    assert!(!shown.contains("key:") && shown.contains("KTEST"), "{shown}");
}

#[test]
fn a_key_is_named_as_the_cdn_knows_its_other_half() {
    use p256::pkcs8::EncodePublicKey as _;
    let pair = || {
        let key = p256::SecretKey::from(SigningKey::from_slice(&crate::id::random::<32>()).unwrap());
        let public_key = key.public_key().to_public_key_pem(p256::pkcs8::LineEnding::LF).unwrap();
        (key.to_pkcs8_pem(p256::pkcs8::LineEnding::LF).unwrap(), public_key)
    };
    let ((old, old_public), (new, new_public), (other, _)) = (pair(), pair(), pair());
    let known = |id: &str, public_key: &str| MediaKey { id: id.to_owned(), public_key: public_key.to_owned() };
    let keys = [known("KOLD", &old_public), known("KNEW", &new_public)];
    // While the key is exchanged: whichever is in use, under its own name.
    for (pem, id) in [(&old, "KOLD"), (&new, "KNEW"), (&other, "KOLD")] {
        assert!(MediaSigner::of(pem, &keys, ORIGIN).unwrap().url("media/a", at(0), 60).contains(&format!("&Key-Pair-Id={id}&")));
    }
    assert!(MediaSigner::of(&old, &[known("KLOCAL", "")], ORIGIN).unwrap().url("a", at(0), 60).contains("&Key-Pair-Id=KLOCAL&"));
}
