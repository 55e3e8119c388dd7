//! What Cruddur knows: people, their posts, their conversations. Fixed, so that every run tells the same story.

/// One person with an account; the simulated users are these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    pub uuid: &'static str,
    pub handle: &'static str,
    pub display_name: &'static str,
    /// How many conversations the person has; opening the inbox asks the database once for each.
    pub message_groups: u32,
}

/// One post.
#[derive(Clone, Copy, Debug)]
pub struct Activity {
    pub handle: &'static str,
    pub message: &'static str,
    pub likes: u32,
    pub replies: u32,
}

pub fn user_by_handle(handle: &str) -> Option<&'static User> {
    USERS.iter().find(|user| user.handle == handle)
}

pub fn activities_of(handle: &str) -> impl Iterator<Item = &'static Activity> {
    ACTIVITIES.iter().filter(move |activity| activity.handle == handle)
}

/// Posts whose text contains `term`, whatever the case.
pub fn activities_about(term: &str) -> impl Iterator<Item = &'static Activity> {
    let term = term.to_lowercase();
    ACTIVITIES.iter().filter(move |activity| activity.message.to_lowercase().contains(&term))
}

const fn user(uuid: &'static str, handle: &'static str, display_name: &'static str, message_groups: u32) -> User {
    User { uuid, handle, display_name, message_groups }
}

const fn activity(handle: &'static str, message: &'static str, likes: u32, replies: u32) -> Activity {
    Activity { handle, message, likes, replies }
}

pub const USERS: &[User] = &[
    user("8b1c0d52-01d7-4c0e-9a40-3f6d0c5f0a01", "andrewbrown", "Andrew Brown", 9),
    user("8b1c0d52-01d7-4c0e-9a40-3f6d0c5f0a02", "bayko", "Andrew Bayko", 4),
    user("8b1c0d52-01d7-4c0e-9a40-3f6d0c5f0a03", "worf", "Worf", 3),
    user("8b1c0d52-01d7-4c0e-9a40-3f6d0c5f0a04", "garek", "Garek", 12),
    user("8b1c0d52-01d7-4c0e-9a40-3f6d0c5f0a05", "londo", "Londo Mollari", 11),
    user("8b1c0d52-01d7-4c0e-9a40-3f6d0c5f0a06", "gkar", "G'Kar", 7),
    user("8b1c0d52-01d7-4c0e-9a40-3f6d0c5f0a07", "delenn", "Delenn", 6),
    user("8b1c0d52-01d7-4c0e-9a40-3f6d0c5f0a08", "ivanova", "Susan Ivanova", 5),
    user("8b1c0d52-01d7-4c0e-9a40-3f6d0c5f0a09", "kira", "Kira Nerys", 6),
    user("8b1c0d52-01d7-4c0e-9a40-3f6d0c5f0a10", "odo", "Odo", 2),
    user("8b1c0d52-01d7-4c0e-9a40-3f6d0c5f0a11", "quark", "Quark", 18),
    user("8b1c0d52-01d7-4c0e-9a40-3f6d0c5f0a12", "dax", "Jadzia Dax", 8),
    user("8b1c0d52-01d7-4c0e-9a40-3f6d0c5f0a13", "obrien", "Miles O'Brien", 5),
    user("8b1c0d52-01d7-4c0e-9a40-3f6d0c5f0a14", "bashir", "Julian Bashir", 7),
    user("8b1c0d52-01d7-4c0e-9a40-3f6d0c5f0a15", "vir", "Vir Cotto", 3),
    user("8b1c0d52-01d7-4c0e-9a40-3f6d0c5f0a16", "lennier", "Lennier", 2),
    user("8b1c0d52-01d7-4c0e-9a40-3f6d0c5f0a17", "zack", "Zack Allan", 4),
    user("8b1c0d52-01d7-4c0e-9a40-3f6d0c5f0a18", "marcus", "Marcus Cole", 4),
    user("8b1c0d52-01d7-4c0e-9a40-3f6d0c5f0a19", "ezri", "Ezri Dax", 3),
    user("8b1c0d52-01d7-4c0e-9a40-3f6d0c5f0a20", "morn", "Morn", 24),
];

pub const ACTIVITIES: &[Activity] = &[
    activity("andrewbrown", "Cloud is very fun!", 5, 1),
    activity("andrewbrown", "This post was written from the loopback interface", 12, 3),
    activity("worf", "I am out of prune juice", 0, 0),
    activity("garek", "My dear doctor, I am just simple tailor", 8, 2),
    activity(
        "londo",
        "There comes a time when you look into the mirror and you realise what you see is all you will ever be",
        20,
        4,
    ),
    activity("gkar", "Nobody here is exactly what he appears", 31, 6),
    activity("ivanova", "No boom today. Boom tomorrow. There is always a boom tomorrow", 44, 9),
    activity("kira", "Has anyone seen the runabout that was parked here?", 3, 5),
    activity("odo", "Everything on the promenade has its place", 2, 0),
    activity("quark", "Rule of acquisition 34: war is good for business", 13, 7),
    activity("quark", "Rule of acquisition 35: peace is good for business", 13, 7),
    activity("dax", "Three hundred years and still no dashboard that tells me what broke", 27, 2),
    activity("obrien", "The replicators are down again, and it is not the plasma conduit this time", 16, 8),
    activity("bashir", "Cloud medicine: take two traces and call me in the morning", 6, 1),
    activity("vir", "I would like to live just long enough to see the deploy finish", 38, 3),
    activity("morn", "...", 61, 0),
];

/// Words people look for. The first ones find something.
pub const SEARCH_TERMS: &[&str] = &["cloud", "boom", "deploy", "café", "prune juice", "rule of acquisition", "tailor", "peace"];

/// Handles people mistype.
pub const UNKNOWN_HANDLES: &[&str] = &["wrof", "andrewbronw", "q", "sisko"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_post_has_an_author_and_some_search_finds_one() {
        assert!(ACTIVITIES.iter().all(|activity| user_by_handle(activity.handle).is_some()));
        assert!(UNKNOWN_HANDLES.iter().all(|handle| user_by_handle(handle).is_none()));
        assert_eq!(activities_about("CLOUD").count(), 2);
        assert_eq!(activities_of("quark").count(), 2);
    }
}
