//! Where may be connected to: an allow-list of origins, or any public name, and public addresses only.
//!
//! The address comes from outside. It is parsed once, by the parser that the HTTP client uses, and what was checked is what is
//! connected to: no redirects, no user names, no other port, and no name that leads into our own network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

#[cfg(test)]
pub(crate) mod tests;

/// Characters of an address.
const MAX_LENGTH: usize = 2_048;

/// Why an address isn't connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not an absolute address, or an endless one.
    #[error("not an address")]
    Malformed,
    /// It carries a user name or password.
    #[error("carries credentials")]
    Credentials,
    /// Neither listed nor below a listed name; where any name will do, not https on port 443 of a name.
    #[error("origin not listed")]
    Origin,
    /// Nobody knows the name.
    #[error("the name is not known")]
    Unknown,
    /// The name leads to an address that isn't public.
    #[error("the name leads to a private address")]
    Private,
}

/// The allow-list.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    exact: Vec<(String, String, u16)>,
    /// Each with a leading dot.
    below: Vec<String>,
    /// Every name, besides those above.
    any: bool,
}

impl Origins {
    /// Reads origins such as `http://127.0.0.1:1234` (exactly this one, whatever address it has) and `https://*.fal.media` (every name
    /// below it, https on 443, public addresses only). What can't be read is left out: less is allowed, never more.
    pub fn new(list: &[String]) -> Self {
        let mut origins = Self::default();
        for entry in list {
            if let Some(suffix) = entry.strip_prefix("https://*.") {
                if suffix.contains('.') && suffix.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-')) {
                    origins.below.push(format!(".{}", suffix.to_ascii_lowercase()));
                    continue;
                }
            } else if let Ok(url) = Url::parse(entry)
                && matches!(url.scheme(), "http" | "https")
                && let Some(key) = key(&url)
            {
                origins.exact.push(key);
                continue;
            }
            tracing::warn!(origin = %entry, "an origin can't be read and is ignored");
        }
        origins
    }

    /// Every name on https and 443, public addresses only; and `extra` origins, exactly, whatever their scheme, port and address.
    pub fn any_public(extra: &[String]) -> Self {
        Self { any: true, below: Vec::new(), ..Self::new(extra) }
    }

    /// The address in `text`, if it may be connected to.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn check(&self, text: &str) -> Result<Url, Refusal> {
        if text.len() > MAX_LENGTH {
            return Err(Refusal::Malformed);
        }
        let url = Url::parse(text).map_err(|_| Refusal::Malformed)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Credentials);
        }
        if self.lists(&url) {
            return Ok(url);
        }
        let listed = match url.host() {
            Some(Host::Domain(name)) => {
                url.scheme() == "https"
                    && url.port_or_known_default() == Some(443)
                    // A name that was listed for another origin may have a private address there, and only there.
                    && (self.any && !self.trusts(name)
                        || self.below.iter().any(|suffix| name.len() > suffix.len() && name.ends_with(suffix.as_str())))
            }
            _ => false,
        };
        if listed { Ok(url) } else { Err(Refusal::Origin) }
    }

    /// Whether the origin of `url` was listed exactly.
    pub fn lists(&self, url: &Url) -> bool {
        key(url).is_some_and(|key| self.exact.contains(&key))
    }

    /// Whether `name` was listed exactly, so that it may have any address.
    pub fn trusts(&self, name: &str) -> bool {
        self.exact.iter().any(|(_, host, _)| host == name)
    }
}

fn key(url: &Url) -> Option<(String, String, u16)> {
    Some((url.scheme().to_owned(), url.host_str()?.to_owned(), url.port_or_known_default()?))
}

/// Whether `address` is one of the public internet: not ours, not the machine's, not reserved.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    // (network, length) of the registry of special-purpose addresses, and multicast.
    const SPECIAL: [([u8; 4], u32); 16] = [
        ([0, 0, 0, 0], 8),
        ([10, 0, 0, 0], 8),
        ([100, 64, 0, 0], 10),
        ([127, 0, 0, 0], 8),
        ([169, 254, 0, 0], 16),
        ([172, 16, 0, 0], 12),
        ([192, 0, 0, 0], 24),
        ([192, 0, 2, 0], 24),
        ([192, 31, 196, 0], 24),
        ([192, 88, 99, 0], 24),
        ([192, 168, 0, 0], 16),
        ([198, 18, 0, 0], 15),
        ([198, 51, 100, 0], 24),
        ([203, 0, 113, 0], 24),
        ([224, 0, 0, 0], 4),
        ([240, 0, 0, 0], 4),
    ];
    let bits = u32::from(address);
    !SPECIAL.iter().any(|(network, length)| (bits ^ u32::from(Ipv4Addr::from(*network))) >> (32 - length) == 0)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    // Only 2000::/3 is given out. Of it, not: 2001::/23 (Teredo and other protocols), documentation, 6to4 (which hides an IPv4).
    (first & 0xe000) == 0x2000
        && !(first == 0x2001 && second < 0x0200)
        && !(first == 0x2001 && second == 0x0db8)
        && first != 0x2002
        && !(first == 0x3fff && second < 0x1000)
}
