//! Texts as numbers: what repeats in a million spans is kept once and compared by number.

use std::collections::HashMap;
use std::sync::Arc;

/// A text of [`Texts`]. Numbers hold for as long as the texts do, over all windows of a question.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(u32);

impl Text {
    /// The empty text, which also stands for none.
    pub const NONE: Text = Text(0);
    /// Stands for every text that came after [`TEXT_BYTES_MAX`].
    pub const OTHER: Text = Text(1);
    /// What OpenTelemetry calls a service that does not tell its name.
    pub const UNKNOWN_SERVICE: Text = Text(2);
    /// The type of the node in front of an entry service.
    pub const CLIENT: Text = Text(3);

    #[inline]
    pub fn is_none(self) -> bool {
        self == Text::NONE
    }

    #[inline]
    pub fn number(self) -> u32 {
        self.0
    }
}

/// Bytes of different texts that one question keeps: names are few, and where somebody writes ids into names the rest of them
/// is one name, `…`.
pub const TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Every text that facts speak of.
#[derive(Clone, Debug)]
pub struct Texts {
    all: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, Text>,
    bytes: usize,
}

impl Default for Texts {
    fn default() -> Texts {
        let mut texts = Texts { all: Vec::new(), numbers: HashMap::new(), bytes: 0 };
        for text in ["", "…", model::UNKNOWN_SERVICE, crate::service_graph::node::CLIENT_TYPE] {
            texts.push(text);
        }
        texts
    }
}

impl Texts {
    /// The number of a text, new if it was not seen before.
    pub fn number(&mut self, text: &str) -> Text {
        match self.numbers.get(text) {
            Some(number) => *number,
            None if self.bytes + text.len() > TEXT_BYTES_MAX => Text::OTHER,
            None => self.push(text),
        }
    }

    /// The number of a text that is known.
    pub fn find(&self, text: &str) -> Option<Text> {
        self.numbers.get(text).copied()
    }

    #[inline]
    pub fn text(&self, number: Text) -> &str {
        self.all.get(number.0 as usize).map_or("", |text| text.as_ref())
    }

    /// How many there are; numbers are below this.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Memory held.
    pub fn bytes(&self) -> usize {
        self.bytes + self.all.len() * 4 * size_of::<Arc<str>>()
    }

    fn push(&mut self, text: &str) -> Text {
        let number = Text(self.all.len() as u32);
        let kept: Arc<str> = text.into();
        self.bytes += text.len();
        self.all.push(Arc::clone(&kept));
        self.numbers.insert(kept, number);
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_known_by_number() {
        let mut texts = Texts::default();
        assert_eq!(texts.number(""), Text::NONE);
        assert_eq!(texts.number(model::UNKNOWN_SERVICE), Text::UNKNOWN_SERVICE);
        assert_eq!(texts.text(Text::OTHER), "…");
        let shop = texts.number("shop");
        assert_eq!((texts.number("shop"), texts.text(shop), texts.find("web")), (shop, "shop", None));
        let long = "x".repeat(TEXT_BYTES_MAX);
        assert_eq!(texts.number(&long), Text::OTHER);
        assert_eq!(texts.number("shop"), shop);
    }
}
