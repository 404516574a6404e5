//! What is looked at.

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// The installation with all hubs and cameras of the namespace, or of all.
    All,
    /// The installation alone.
    Installation,
    /// One camera, with its hub and the installation.
    Camera(String),
    /// One hub with its cameras, and the installation.
    Hub(String),
}

impl Scope {
    /// Reads `camera/NAME`, `camera NAME`, NAME, `hub/NAME`, `hub NAME`, `installation`, or nothing.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let words: Vec<&str> = words.iter().flat_map(|word| word.split('/')).collect();
        match words.as_slice() {
            [] => Ok(Self::All),
            ["installation"] => Ok(Self::Installation),
            [kind, name] if !name.is_empty() => match kind.to_lowercase().as_str() {
                "camera" | "cameras" | "cam" => Ok(Self::Camera((*name).to_owned())),
                "streamhub" | "streamhubs" | "hub" => Ok(Self::Hub((*name).to_owned())),
                _ => Err(format!(
                    "{kind:?} can't be looked at: give camera/NAME, hub/NAME or `installation`"
                )),
            },
            [name] if !name.is_empty() => Ok(Self::Camera((*name).to_owned())),
            _ => Err("give one of camera/NAME, hub/NAME or `installation`".to_owned()),
        }
    }

    /// The camera, where one is meant.
    pub fn camera(&self) -> Option<&str> {
        match self {
            Self::Camera(name) => Some(name),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_written_as_for_kubectl() {
        let parse = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            Scope::parse(&words)
        };
        let camera = Ok(Scope::Camera("door".into()));
        for words in [
            &["door"][..],
            &["camera", "door"],
            &["cam/door"],
            &["cameras/door"],
        ] {
            assert_eq!(parse(words), camera, "{words:?}");
        }
        assert_eq!(parse(&["hub/lobby"]), Ok(Scope::Hub("lobby".into())));
        assert_eq!(parse(&["installation"]), Ok(Scope::Installation));
        assert_eq!(parse(&[]), Ok(Scope::All));
        for words in [&["pod/door"][..], &["hub/"], &["a", "b/c"]] {
            assert!(parse(words).is_err(), "{words:?}");
        }
    }
}
