//! Topics and what they are called on the brokers.

use super::super::Topic;

/// Translates between a topic and its name on the brokers, `<namespace>.<topic>`.
#[derive(Clone, Debug)]
pub(super) struct Names {
    prefix: String,
}

impl Names {
    /// For a namespace.
    pub(super) fn new(namespace: &str) -> Self {
        Self { prefix: format!("{namespace}.") }
    }

    /// The name on the brokers.
    pub(super) fn name(&self, topic: &Topic) -> String {
        format!("{}{topic}", self.prefix)
    }

    /// The topic of a name; none: not one of ours.
    pub(super) fn topic(&self, name: &str) -> Option<Topic> {
        name.strip_prefix(&self.prefix)?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back_as_its_topic() {
        let names = Names::new("my.space");
        assert_eq!(names.name(&Topic::DeadLetters), "my.space.dead-letters");
        assert_eq!(names.topic("my.space.dead-letters"), Some(Topic::DeadLetters));
    }

    #[test]
    fn a_name_of_another_namespace_is_no_topic() {
        assert_eq!(Names::new("a").topic("b.requests"), None);
        assert_eq!(Names::new("a").topic("a.strangers"), None);
    }
}
