//! What nobody should read in a text: addresses, card numbers, keys. Found by form, and put behind asterisks.
//!
//! Quirks:  what has no form of its own, a passport's number say, is found behind the word for it

use std::borrow::Cow;

use regex::{Regex, RegexBuilder};

/// A longer compiled expression is refused.
const EXPRESSION_BYTES_MAX: usize = 1 << 20;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sensitive {
    EmailAddress,
    IpAddress,
    LatLong,
    VehicleIdentificationNumber,
    SecretKey,
    OpenSshPrivateKey,
    PgpPrivateKey,
    PkcsPrivateKey,
    PuttyPrivateKey,
    CreditCardNumber,
    CreditCardExpiration,
    CreditCardSecurityCode,
    BankAccountNumber,
    PhoneNumber,
    SocialSecurityNumber,
    PassportNumber,
    DriversLicense,
    ZipCode,
}

/// Expressions, compiled, of what is put behind asterisks.
#[derive(Clone, Debug, Default)]
pub struct Masks {
    looked_for: Vec<Looked>,
}

#[derive(Clone, Debug)]
struct Looked {
    /// The group `it` is what is masked; the whole where there is none.
    expression: Regex,
    is_valid: fn(&str) -> bool,
}

impl Sensitive {
    fn expression(self) -> &'static str {
        match self {
            Sensitive::EmailAddress => r"\b[\w.%+-]+@[\w-]+(?:\.[\w-]+)+\b",
            Sensitive::IpAddress => {
                r"\b(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)\b|\b(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}\b|\b(?:[0-9a-fA-F]{1,4}:){1,6}(?::[0-9a-fA-F]{1,4}){1,6}\b"
            }
            Sensitive::LatLong => r"[-+]?(?:[1-8]?\d\.\d{3,}|90\.0{3,}),\s*[-+]?(?:180\.0{3,}|(?:1[0-7]\d|[1-9]?\d)\.\d{3,})",
            Sensitive::VehicleIdentificationNumber => r"\b[A-HJ-NPR-Z0-9]{17}\b",
            Sensitive::SecretKey => {
                r#"(?i)(?:secret[_\- ]?(?:access[_\- ]?)?key|aws[_\-]?secret)["']?\s*(?:[:=]|is)?\s*["']?(?<it>[A-Za-z0-9/+=]{40})"#
            }
            Sensitive::OpenSshPrivateKey => {
                r"-----BEGIN OPENSSH PRIVATE KEY-----(?s:.*?)(?:-----END OPENSSH PRIVATE KEY-----|\z)"
            }
            Sensitive::PgpPrivateKey => {
                r"-----BEGIN PGP PRIVATE KEY BLOCK-----(?s:.*?)(?:-----END PGP PRIVATE KEY BLOCK-----|\z)"
            }
            Sensitive::PkcsPrivateKey => {
                r"-----BEGIN (?:RSA |DSA |EC |ENCRYPTED )?PRIVATE KEY-----(?s:.*?)(?:-----END (?:RSA |DSA |EC |ENCRYPTED )?PRIVATE KEY-----|\z)"
            }
            Sensitive::PuttyPrivateKey => r"PuTTY-User-Key-File-\d(?s:.*?)(?:Private-MAC:\s*\S+|\z)",
            Sensitive::CreditCardNumber => r"\b\d(?:[ -]?\d){11,18}\b",
            Sensitive::CreditCardExpiration => {
                r"(?i)(?:exp(?:iry|iration|ires)?(?:[_\- ]?date)?)[^\w]{0,5}(?<it>(?:0?[1-9]|1[0-2])\s?[/-]\s?(?:\d{4}|\d{2}))\b"
            }
            Sensitive::CreditCardSecurityCode => r"(?i)\b(?:cvv2?|cvc2?|csc|security[_\- ]?code)\b[^\w]{0,5}(?<it>\d{3,4})\b",
            Sensitive::BankAccountNumber => r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b",
            Sensitive::PhoneNumber => {
                r"(?:\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){2,4}|\(\d{3}\) ?\d{3}[ .-]\d{4}|\b\d{3}[.-]\d{3}[.-]\d{4})\b"
            }
            Sensitive::SocialSecurityNumber => r"\b\d{3}-\d{2}-\d{4}\b",
            Sensitive::PassportNumber => r"(?i)\bpassport[\w ]{0,12}?[^\w]{0,5}(?<it>[A-Z0-9]*\d[A-Z0-9]{5,8})\b",
            Sensitive::DriversLicense => {
                r"(?i)\bdriv(?:er|ing)'?s?[_\- ]?licen[cs]e[\w ]{0,12}?[^\w]{0,5}(?<it>[A-Z0-9-]*\d[A-Z0-9-]{4,15})\b"
            }
            Sensitive::ZipCode => r"(?i)\b(?:zip|postal)[_\- ]?(?:code)?[^\w]{0,5}(?<it>\d{5}(?:-\d{4})?)\b",
        }
    }

    fn validity(self) -> fn(&str) -> bool {
        match self {
            Sensitive::CreditCardNumber => has_check_digit,
            Sensitive::VehicleIdentificationNumber => {
                |text| text.bytes().any(|byte| byte.is_ascii_digit()) && text.bytes().any(|byte| byte.is_ascii_uppercase())
            }
            Sensitive::BankAccountNumber => is_account,
            Sensitive::SocialSecurityNumber => {
                |text| !text.starts_with("000") && !text.starts_with("666") && !text.starts_with('9')
            }
            _ => |_| true,
        }
    }
}

impl Masks {
    /// Refuses: an expression that cannot be compiled, or is too large.
    pub fn new(kinds: &[Sensitive], expressions: &[&str]) -> Result<Masks, regex::Error> {
        let compiled = |text: &str| RegexBuilder::new(text).size_limit(EXPRESSION_BYTES_MAX).build();
        let mut looked_for = Vec::with_capacity(kinds.len() + expressions.len());
        for kind in kinds {
            looked_for.push(Looked { expression: compiled(kind.expression())?, is_valid: kind.validity() });
        }
        for expression in expressions {
            looked_for.push(Looked { expression: compiled(expression)?, is_valid: |text| !text.is_empty() });
        }
        Ok(Masks { looked_for })
    }

    /// With what another one looks for.
    pub fn and(mut self, other: Masks) -> Masks {
        self.looked_for.extend(other.looked_for);
        self
    }

    pub fn is_empty(&self) -> bool {
        self.looked_for.is_empty()
    }

    /// The text with an asterisk for each character that is protected.
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut ranges: Vec<std::ops::Range<usize>> = Vec::new();
        for looked in &self.looked_for {
            for found in looked.expression.captures_iter(text) {
                let Some(it) = found.name("it").or(found.get(0)) else { continue };
                if (looked.is_valid)(it.as_str()) {
                    ranges.push(it.range());
                }
            }
        }
        if ranges.is_empty() {
            return Cow::Borrowed(text);
        }
        ranges.sort_by_key(|range| range.start);
        let (mut masked, mut at) = (String::with_capacity(text.len()), 0);
        for range in ranges {
            let start = range.start.max(at);
            if range.end <= start {
                continue;
            }
            masked.push_str(&text[at..start]);
            masked.extend(text[start..range.end].chars().map(|_| '*'));
            at = range.end;
        }
        masked.push_str(&text[at..]);
        Cow::Owned(masked)
    }
}

/// Luhn's sum, as every card number has.
fn has_check_digit(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let doubled = |(place, digit): (usize, &u32)| match place % 2 {
        0 => *digit,
        _ => (digit * 2) / 10 + (digit * 2) % 10,
    };
    let is_one_digit = digits.windows(2).all(|pair| pair[0] == pair[1]);
    (12..=19).contains(&digits.len()) && !is_one_digit && digits.iter().rev().enumerate().map(doubled).sum::<u32>() % 10 == 0
}

/// The remainder that an IBAN has.
fn is_account(text: &str) -> bool {
    let plain: Vec<char> = text.chars().filter(|c| *c != ' ').collect();
    if plain.len() < 15 || plain.len() > 34 {
        return false;
    }
    let remainder = plain[4..].iter().chain(&plain[..4]).filter_map(|c| c.to_digit(36)).fold(0_u32, |rest, digit| {
        let shifted = if digit > 9 { rest * 100 } else { rest * 10 };
        (shifted + digit) % 97
    });
    remainder == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_protected_is_masked() {
        use Sensitive as S;
        let cases: [(&[Sensitive], &str, &str); 21] = [
            (&[S::EmailAddress], "mail to jane.doe+x@example.co.uk now", "mail to ************************ now"),
            (&[S::EmailAddress], "nobody @ home", "nobody @ home"),
            (&[S::IpAddress], "from 10.0.255.7:80, not 1.2.3 or 300.1.1.1", "from **********:80, not 1.2.3 or 300.1.1.1"),
            (&[S::IpAddress], "fe80::1 and 2001:db8:0:0:0:0:0:1", "******* and ********************"),
            (&[S::CreditCardNumber], "card 4111 1111 1111 1111.", "card *******************."),
            (&[S::CreditCardNumber], "order 4111111111111112", "order 4111111111111112"),
            (&[S::CreditCardSecurityCode], "cvv: 123, code 456", "cvv: ***, code 456"),
            (&[S::CreditCardExpiration], "expiration date 04/29", "expiration date *****"),
            (&[S::BankAccountNumber], "to DE89 3704 0044 0532 0130 00", "to ***************************"),
            (&[S::BankAccountNumber], "to DE88370400440532013000", "to DE88370400440532013000"),
            (&[S::PhoneNumber], "call +49 30 1234567 or (555) 123-4567", "call ************** or **************"),
            (&[S::SocialSecurityNumber], "ssn 123-45-6789, 000-12-3456", "ssn ***********, 000-12-3456"),
            (&[S::PassportNumber], "passport no: C01X00T47", "passport no: *********"),
            (&[S::DriversLicense], "driver's license A123-4567", "driver's license *********"),
            (&[S::ZipCode], "zip 12345, 54321", "zip *****, 54321"),
            (&[S::LatLong], "at 52.52000, 13.40495 today", "at ****************** today"),
            (&[S::VehicleIdentificationNumber], "vin 1M8GDM9AXKP042788", "vin *****************"),
            (
                &[S::SecretKey],
                "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                "aws_secret_access_key = ****************************************",
            ),
            (&[S::PkcsPrivateKey], "-----BEGIN RSA PRIVATE KEY-----", "*******************************"),
            (&[S::EmailAddress, S::IpAddress], "a@b.de from 1.2.3.4", "****** from *******"),
            (&[], "a@b.de", "a@b.de"),
        ];
        for (kinds, text, expected) in cases {
            assert_eq!(Masks::new(kinds, &[]).unwrap().mask(text), expected, "{text}");
        }
        assert_eq!(Masks::new(&[], &["EmployeeID-\\d{3}"]).unwrap().mask("of EmployeeID-123é"), "of **************é");
        assert!(Masks::new(&[], &["("]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn length_stays(text in "\\PC{0,80}|[0-9 .:@a-f-]{0,60}") {
            use Sensitive as S;
            let masks = Masks::new(&[S::EmailAddress, S::IpAddress, S::CreditCardNumber, S::PhoneNumber, S::LatLong], &["."]).unwrap();
            proptest::prop_assert_eq!(masks.mask(&text).chars().count(), text.chars().count());
        }
    }
}
