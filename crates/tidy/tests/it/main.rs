//! The rules of the house, one file a subject.

#![cfg(test)]

mod comments;
mod dependencies;
mod documents;
mod features;
mod layers;
mod licences;
mod sources;
