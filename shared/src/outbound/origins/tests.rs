use super::*;

/// Addresses that must never be connected to, with `https://*.fal.media` allowed.
pub(crate) const HOSTILE: [&str; 52] = [
    "http://169.254.169.254/latest/meta-data/",
    "https://169.254.169.254/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[fd00:ec2::254]/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0177.0.0.1/",
    "https://127.1/",
    "https://0/",
    "https://127.0.0.1/",
    "https://10.0.0.1/",
    "https://localhost/",
    "https://localhost.localdomain/",
    "https://fal.media/",
    "https://fal.media.evil.example/",
    "https://v3.fal.media.evil.example/",
    "https://evilfal.media/",
    "https://fal.media@evil.example/",
    "https://v3.fal.media@127.0.0.1/",
    "https://user@v3.fal.media/",
    "https://user:word@v3.fal.media/",
    "https://:word@v3.fal.media/",
    "https://v3.fal.media:8443/",
    "https://v3.fal.media:80/",
    "https://v3.fal.media:22/",
    "http://v3.fal.media/",
    "http://v3.fal.media:443/",
    "ftp://v3.fal.media/x",
    "gopher://v3.fal.media/",
    "file:///etc/passwd",
    "file://v3.fal.media/etc/passwd",
    "javascript:alert(1)",
    "blob:https://v3.fal.media/x",
    "ws://v3.fal.media/",
    "//v3.fal.media/x",
    "/x.png",
    "",
    "https://",
    "https:///x",
    "https://v3.fal.media./",
    "https://.fal.media/",
    "https://evil.example/https://v3.fal.media/",
    "https://evil.example/?v3.fal.media",
    "https://evil.example#.fal.media",
    "https://evil.example\\.fal.media/",
    "https://evil.example%2f.fal.media/",
    "https://evil.example%00.fal.media/",
    "https://v3.f\u{430}l.media/",
    "https://v3\u{3002}evil.example/",
    "https://v3.fal.medіa/",
    "https://xn--fal-media.example/",
];

fn origins(list: &[&str]) -> Origins {
    Origins::new(&list.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>())
}

#[test]
fn only_names_below_the_listed_one() {
    let origins = origins(&["https://*.fal.media"]);
    for good in ["https://v3.fal.media/files/a.png", "https://v3b.fal.media:443/x", "https://V3.FAL.MEDIA/x", "https://a.b.fal.media/?x#y"]
    {
        assert!(origins.check(good).is_ok(), "{good}");
    }
    for bad in HOSTILE {
        // An empty label is a name that no resolver knows; it is refused by the resolver of the client at the latest.
        assert!(origins.check(bad).is_err() || bad == "https://.fal.media/", "{bad}");
    }
    assert_eq!(origins.check(&format!("https://v3.fal.media/{}", "x".repeat(3_000))), Err(Refusal::Malformed));
}

#[test]
fn an_exact_origin_is_exact() {
    let origins = origins(&["http://127.0.0.1:1234", "https://cdn.example.org", "nonsense", "https://*.media", "https://*.*.org"]);
    assert!(origins.check("http://127.0.0.1:1234/a").is_ok());
    assert!(origins.check("https://cdn.example.org/a").is_ok());
    for bad in [
        "http://127.0.0.1:1235/",
        "https://127.0.0.1:1234/",
        "http://127.0.0.2:1234/",
        "http://cdn.example.org/",
        "https://a.cdn.example.org/",
        "http://x@127.0.0.1:1234/",
        "https://a.media/",
        "https://a.b.org/",
    ] {
        assert!(origins.check(bad).is_err(), "{bad}");
    }
    assert!(origins.trusts("127.0.0.1") && !origins.trusts("localhost"));
}

#[test]
fn special_addresses_are_not_public() {
    for special in [
        "0.0.0.0",
        "10.255.255.255",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:8.8.8.8",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:a00:1::",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "ff02::1",
    ] {
        assert!(!is_public(special.parse().unwrap()), "{special}");
    }
    for public in
        ["8.8.8.8", "172.15.0.1", "172.32.0.1", "100.128.0.1", "198.20.0.1", "2606:4700::1111", "2001:4860:4860::8888", "2a00:1450::1"]
    {
        assert!(is_public(public.parse().unwrap()), "{public}");
    }
}

#[test]
fn any_name_will_do_for_those_who_choose_their_own() {
    let extra = ["http://127.0.0.1:1234".to_owned(), "http://inside.example:8080".to_owned(), "https://*.below.example".to_owned()];
    let origins = Origins::any_public(&extra);
    for good in ["https://hooks.example.org/a?b=c", "https://a.example:443/", "http://127.0.0.1:1234/x", "http://inside.example:8080/x"] {
        assert!(origins.check(good).is_ok(), "{good}");
    }
    for bad in [
        "http://hooks.example.org/",
        "https://hooks.example.org:8443/",
        "https://user@hooks.example.org/",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]/",
        "https://127.0.0.1:1234/",
        "http://127.0.0.1:1235/",
        // Listed for another port: here it could lead inside.
        "https://inside.example/",
        "http://inside.example/",
    ] {
        assert!(origins.check(bad).is_err(), "{bad}");
    }
}
