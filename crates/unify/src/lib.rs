//! One selection of features for running and for testing. Holds no code; its manifest is the point.
//!
//! Cargo adds the features that dev-dependencies ask for only when tests are built. One such feature at the bottom of the
//! tree (`getrandom`, below `uuid`, below DataFusion) gives everything above it another identity, and `cargo test` after
//! `cargo build` compiles DataFusion a second time: ten minutes on two cores. So this crate asks for those features in
//! every build. `crates/tidy` fails, naming the package and the features to add here, when the two selections part.
