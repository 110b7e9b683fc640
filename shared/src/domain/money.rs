//! Money: whole millionths of a US dollar, never a float.
//!
//! Written as `{"amount": "0.0250", "currency": "USD"}` with four to six decimals. There is one currency, the provider's;
//! arithmetic is checked, as a wrapped price would be a wrong price.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The only currency there is.
pub const CURRENCY: &str = "USD";

const MICROS: i64 = 1_000_000;

/// An amount in millionths of a US dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "MoneyView", try_from = "MoneyView")]
pub struct Money(i64);

/// The text is no amount, or the currency is another one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not an amount of US dollars with at most six decimals")]
pub struct InvalidMoney;

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// `micros` millionths of a dollar.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// In millionths of a dollar: how it is stored.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The sum, unless it is too large to write down.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The difference, which may be below zero, unless it is too large to write down.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }

    /// `times` as much, unless it is too large to write down.
    pub const fn checked_mul(self, times: i64) -> Option<Self> {
        match self.0.checked_mul(times) {
            Some(product) => Some(Self(product)),
            None => None,
        }
    }

    /// As [`Money::checked_mul`] for a fraction: what the provider bills may be 1.5 units. Rounded to the nearest millionth; `None`
    /// for what isn't a finite number.
    pub fn checked_mul_f64(self, times: f64) -> Option<Self> {
        let parts = (times * 1_000.0).round();
        // 2^53 thousandths is where a float stops counting.
        if !parts.is_finite() || parts.abs() > 9_007_199_254_740_992.0 {
            return None;
        }
        let product = i128::from(self.0) * i128::from(parts as i64);
        i64::try_from((product + 500 * product.signum()) / 1_000).ok().map(Self)
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.0.unsigned_abs() / MICROS.unsigned_abs();
        let decimals = format!("{:06}", self.0.unsigned_abs() % MICROS.unsigned_abs());
        let (kept, rest) = decimals.split_at(4);
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{whole}.{kept}{}", rest.trim_end_matches('0'))
    }
}

impl FromStr for Money {
    type Err = InvalidMoney;

    fn from_str(text: &str) -> Result<Self, InvalidMoney> {
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !plain(whole) || !plain(decimals) || decimals.len() > 6 {
            return Err(InvalidMoney);
        }
        let micros = whole
            .parse::<i64>()
            .ok()
            .and_then(|whole| whole.checked_mul(MICROS))
            .zip(format!("{decimals:0<6}").parse::<i64>().ok())
            .and_then(|(whole, decimals)| whole.checked_add(decimals))
            .ok_or(InvalidMoney)?;
        Ok(Self(if negative { -micros } else { micros }))
    }
}

/// Money as clients see it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "view", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct MoneyView {
    /// A decimal number with four to six decimals.
    #[cfg_attr(feature = "view", schema(example = "0.0250"))]
    pub amount: String,
    /// ISO 4217.
    #[cfg_attr(feature = "view", schema(example = "USD"))]
    pub currency: String,
}

impl From<Money> for MoneyView {
    fn from(money: Money) -> Self {
        Self { amount: money.to_string(), currency: CURRENCY.to_owned() }
    }
}

impl TryFrom<MoneyView> for Money {
    type Error = InvalidMoney;

    fn try_from(view: MoneyView) -> Result<Self, InvalidMoney> {
        if view.currency != CURRENCY {
            return Err(InvalidMoney);
        }
        view.amount.parse()
    }
}

#[cfg(feature = "view")]
impl utoipa::PartialSchema for Money {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        MoneyView::schema()
    }
}

#[cfg(feature = "view")]
impl utoipa::ToSchema for Money {
    fn name() -> std::borrow::Cow<'static, str> {
        "Money".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_with_four_to_six_decimals() {
        for (micros, text) in [
            (0, "0.0000"),
            (25_000, "0.0250"),
            (1, "0.000001"),
            (10, "0.00001"),
            (1_250_000, "1.2500"),
            (-25_000, "-0.0250"),
            (i64::MAX, "9223372036854.775807"),
        ] {
            assert_eq!(Money::from_micros(micros).to_string(), text);
            assert_eq!(text.parse::<Money>().unwrap().micros(), micros);
        }
        let json = serde_json::to_value(Money::from_micros(12_000)).unwrap();
        assert_eq!(json, serde_json::json!({"amount": "0.0120", "currency": "USD"}));
        assert_eq!(serde_json::from_value::<Money>(json).unwrap(), Money::from_micros(12_000));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", ".", "1.", ".5", "1.0000001", "+1", "1e3", "1,5", " 1", "9223372036855", "--1", "١"] {
            assert!(text.parse::<Money>().is_err(), "{text}");
        }
        assert!(serde_json::from_str::<Money>(r#"{"amount":"1.0","currency":"EUR"}"#).is_err());
    }

    #[test]
    fn arithmetic_never_wraps() {
        let most = Money::from_micros(i64::MAX);
        assert_eq!(most.checked_add(Money::from_micros(1)), None);
        assert_eq!(Money::from_micros(i64::MIN).checked_sub(Money::from_micros(1)), None);
        assert_eq!(most.checked_mul(2), None);
        assert_eq!(most.checked_mul_f64(1.001), None);
        assert_eq!(Money::from_micros(25_000).checked_mul_f64(1.5), Some(Money::from_micros(37_500)));
        assert_eq!(Money::from_micros(3).checked_mul_f64(0.5), Some(Money::from_micros(2)), "halves go up");
        assert_eq!(Money::ZERO.checked_mul_f64(f64::NAN), None);
    }
}
