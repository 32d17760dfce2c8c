//! The parameters of a source.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

use super::error::SourceError;
use super::size::Size;

const FPS_MAX: f64 = 240.0;
const QUALITY_MAX: u8 = 100;
const TIMEOUT_MAX: Duration = Duration::from_secs(3600);

/// The parameters of a source: `NAME=VALUE`, joined by `&` and percent-encoded. If a name occurs
/// twice, the last value applies.
pub(crate) struct Parameters<'a> {
    scheme: &'static str,
    query: &'a str,
}

impl<'a> Parameters<'a> {
    /// Parses the parameters of the source `scheme`; only the `known` names are allowed.
    pub(crate) fn parse(
        scheme: &'static str,
        query: &'a str,
        known: &[&str],
    ) -> Result<Self, SourceError> {
        for (name, _) in form_urlencoded::parse(query.as_bytes()) {
            if !known.contains(&name.as_ref()) {
                // In a URL, the name may be the rest of a password with an unescaped `#`.
                let is_url = ["http", "redis", "rediss"]
                    .iter()
                    .any(|url| scheme.split('+').next() == Some(url));
                let name = (!is_url).then(|| name.into_owned());
                return Err(SourceError::Parameter {
                    scheme,
                    name,
                    expected: expected(known),
                });
            }
        }
        Ok(Self { scheme, query })
    }

    /// The parameters of the source `scheme`, which allows other names too: see
    /// [`others`](Self::others).
    pub(crate) fn with_others(scheme: &'static str, query: &'a str) -> Self {
        Self { scheme, query }
    }

    /// The parameters that are not `known`, in their order.
    pub(crate) fn others(
        &self,
        known: &[&str],
    ) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> {
        form_urlencoded::parse(self.query.as_bytes())
            .filter(|(name, _)| !known.contains(&name.as_ref()))
    }

    /// The parameter `fps` (above 0, at most 240), or `default`.
    pub(crate) fn fps(&self, default: f64) -> Result<f64, SourceError> {
        Ok(self.optional_fps()?.unwrap_or(default))
    }

    /// The parameter `fps` (above 0, at most 240), if given.
    pub(crate) fn optional_fps(&self) -> Result<Option<f64>, SourceError> {
        let in_range = |&fps: &f64| fps > 0.0 && fps <= FPS_MAX;
        self.optional("fps", in_range, || {
            format!("a number above 0 and at most {FPS_MAX}, such as 30 or 0.5")
        })
    }

    /// The parameter `timeout` (above 0, at most an hour), if given: the frame timeout.
    pub(crate) fn timeout(&self) -> Result<Option<Duration>, SourceError> {
        let in_range = |time: &humantime::Duration| !time.is_zero() && **time <= TIMEOUT_MAX;
        let expected = || "a time with its unit, above 0 and at most 1h, such as 10s".to_owned();
        Ok(self
            .optional("timeout", in_range, expected)?
            .map(Into::into))
    }

    /// The parameter `quality` of a JPEG (1 to 100), or `default`.
    pub(crate) fn quality(&self, default: u8) -> Result<u8, SourceError> {
        let in_range = |quality: &u8| (1..=QUALITY_MAX).contains(quality);
        self.value("quality", default, in_range, || {
            format!("a whole number from 1 to {QUALITY_MAX}")
        })
    }

    /// The parameter `size` (each side from 16 to 8192), or `default`.
    pub(crate) fn size(&self, default: Size) -> Result<Size, SourceError> {
        self.value("size", default, |_| true, Size::expected)
    }

    /// The parameter `name`, 0 or 1; 0 if not given.
    pub(crate) fn flag(&self, name: &'static str) -> Result<bool, SourceError> {
        Ok(self.value(name, 0_u8, |&flag| flag <= 1, || "0 or 1".to_owned())? == 1)
    }

    /// The parameter `name`, or `default`. `expected` describes the valid values.
    pub(crate) fn value<T: FromStr>(
        &self,
        name: &'static str,
        default: T,
        in_range: impl Fn(&T) -> bool,
        expected: impl Fn() -> String,
    ) -> Result<T, SourceError> {
        Ok(self.optional(name, in_range, expected)?.unwrap_or(default))
    }

    /// The parameter `name`, if given. `expected` describes the valid values.
    pub(crate) fn optional<T: FromStr>(
        &self,
        name: &'static str,
        in_range: impl Fn(&T) -> bool,
        expected: impl Fn() -> String,
    ) -> Result<Option<T>, SourceError> {
        let Some((_, value)) = form_urlencoded::parse(self.query.as_bytes())
            .filter(|(key, _)| key == name)
            .last()
        else {
            return Ok(None);
        };
        let invalid = || SourceError::Value {
            scheme: self.scheme,
            what: name,
            value: value.clone().into_owned(),
            expected: expected(),
        };
        value
            .parse()
            .ok()
            .filter(in_range)
            .ok_or_else(invalid)
            .map(Some)
    }
}

fn expected(known: &[&str]) -> String {
    if known.is_empty() {
        "no parameters".to_owned()
    } else {
        known.join(" or ")
    }
}
