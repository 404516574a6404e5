//! What all of it comes to, for people: state, reason, message, and whether it is accepted, ready or stalled.

use streamhub_plan::Reason;
use streamhub_wire::status::CameraState;

use super::decide::{Step, ending};
use super::dereference::{NodeState, Observed};
use super::device::{Found, Trouble};
use super::memory::{ASKED, Memory, Reading};
use super::verdict::{Refused, Verdict};
use crate::world::PodFacts;

/// What a camera's status should say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Picture {
    /// One word.
    pub state: &'static str,
    /// Why, as one word; empty while all is well.
    pub reason: String,
    /// Why, for people; empty while all is well.
    pub message: String,
    /// Whether fresh frames reach NATS.
    pub ready: bool,
    /// Whether only a person can help.
    pub stalled: bool,
    /// Why it is not accepted: reason and message.
    pub not_accepted: Option<(&'static str, String)>,
    /// Whether it can have its device, with reason and message. `None`: it needs none.
    pub device: Option<(bool, &'static str, String)>,
}

/// Draws it.
pub fn picture(observed: &Observed, memory: &Memory, step: &Step) -> Picture {
    let mut picture = match observed.own_pod() {
        Some(pod) => of_pod(observed, pod, memory),
        None => without_pod(observed, memory, step),
    };
    if let Some(trouble) = &memory.trouble
        && picture.reason.is_empty()
    {
        "ApiServerError".clone_into(&mut picture.reason);
        picture.message.clone_from(trouble);
    }
    match &observed.verdict {
        Verdict::Refused(refused) => over(&mut picture, refused, observed.own_pod()),
        Verdict::Run(run) => {
            if let Some(doubt @ Trouble::Ambiguous { .. }) = observed.doubt() {
                doubt.word().clone_into(&mut picture.reason);
                picture.message = format!("{doubt} (runs on what it had)");
            }
            if let Some(trouble) = observed.without()
                && picture.reason.is_empty()
            {
                trouble.word().clone_into(&mut picture.reason);
                picture.message = format!("{trouble} (runs on its other sources)");
            }
            if let Some(notice) = &run.notice {
                notify(&mut picture, notice);
            }
        }
    }
    picture.device = observed.device.as_ref().map(device);
    picture
}

/// Whether a camera can have its device.
fn device(device: &Result<Found, Trouble>) -> (bool, &'static str, String) {
    let trouble = match device {
        Ok(found) => match (&found.busy, &found.doubt) {
            (Some(trouble), _) | (_, Some(trouble @ Trouble::Ambiguous { .. })) => trouble,
            _ => return (true, "DeviceReady", found.shown.clone()),
        },
        Err(trouble) => trouble,
    };
    (false, trouble.word(), trouble.to_string())
}

/// The camera should not run.
fn over(picture: &mut Picture, refused: &Refused, pod: Option<&PodFacts>) {
    let (word, message) = (refused.word(), refused.to_string());
    if matches!(refused, Refused::Plan(Reason::Disabled)) {
        *picture = plain("Disabled");
        word.clone_into(&mut picture.reason);
        picture.message = message;
        return;
    }
    // What is wrong with a device is wrong outside of the Camera, but where it asks for what no pod gets.
    let of_device = matches!(refused, Refused::Device(trouble) if **trouble != Trouble::TooMany);
    if !of_device {
        picture.not_accepted = Some((word, message.clone()));
    }
    if !pod.is_some_and(|pod| refused.keeps(pod)) {
        picture.state = if of_device { "Pending" } else { "Refused" };
        picture.ready = false;
    }
    word.clone_into(&mut picture.reason);
    picture.message = message;
    picture.stalled = refused.is_stalled();
}

/// It runs on what it had.
fn notify(picture: &mut Picture, notice: &Reason) {
    let message = format!("{notice} (runs on what it had)");
    picture.not_accepted = Some((notice.word(), message.clone()));
    notice.word().clone_into(&mut picture.reason);
    picture.message = message;
}

fn without_pod(observed: &Observed, memory: &Memory, step: &Step) -> Picture {
    if let Some(pod) = observed.foreign_pod() {
        return foreign(pod, observed.node);
    }
    if let Some(refusal) = &memory.refusal {
        return Picture {
            state: "Pending",
            reason: refusal.reason.to_owned(),
            message: refusal.message.clone(),
            stalled: refusal.stalled,
            ..Picture::default()
        };
    }
    match (step, &memory.last_ending) {
        (Step::Wait(_), Some(ending)) => {
            because("Pending", "PodEnded", &format!("{ending}; it is made anew"))
        }
        _ => plain("Pending"),
    }
}

/// There is something else of the pod's name.
fn foreign(pod: &PodFacts, node: NodeState) -> Picture {
    if pod.owner.is_some() {
        let mut message = "the pod of an earlier Camera of this name is being removed".to_owned();
        if let NodeState::NotReadySince(_) = node {
            let node = pod.node.as_deref().unwrap_or_default();
            let why = format!(
                "; its node {node} does not answer: bring it back, or delete the Node or that pod with --force"
            );
            message.push_str(&why);
        }
        return because("Pending", "PreviousPod", &message);
    }
    let mut picture = because("Pending", NAME_IS_TAKEN, NAME_TAKEN);
    picture.stalled = true;
    picture
}

/// The reason where another pod has the name.
pub const NAME_IS_TAKEN: &str = "NameTaken";
/// What is said where another pod has the name.
pub const NAME_TAKEN: &str = "a pod of the name that this camera's pod must have is there and does not belong to this \
                              Camera; delete or rename that pod, or give the camera another name";

fn of_pod(observed: &Observed, pod: &PodFacts, memory: &Memory) -> Picture {
    let node = pod.node.as_deref().unwrap_or_default();
    match observed.node {
        NodeState::NotReadySince(_) => {
            let message = format!(
                "node {node} is not ready; if it does not come back, the pod is made anew elsewhere"
            );
            return because("Unknown", "NodeNotReady", &message);
        }
        NodeState::Gone => {
            return because("Unknown", "NodeGone", &format!("node {node} is no more"));
        }
        NodeState::Ready | NodeState::Unknown => {}
    }
    if pod.deleting_since.is_some() {
        return because(
            "Pending",
            "PodEnding",
            "the pod is being ended; another one follows",
        );
    }
    if pod.is_finished() {
        return because("Pending", "PodEnded", &ending(pod));
    }
    let reading = memory
        .reading
        .as_ref()
        .filter(|reading| reading.uid == pod.uid);
    if pod.container.running {
        running(pod, reading)
    } else {
        starting(pod)
    }
}

/// The container does not run.
fn starting(pod: &PodFacts) -> Picture {
    if let Some(message) = &pod.unschedulable {
        return because("Pending", "Unschedulable", message);
    }
    let Some((reason, message)) = &pod.container.waiting else {
        return plain("Starting");
    };
    if matches!(
        reason.as_str(),
        "" | "ContainerCreating" | "PodInitializing"
    ) {
        return plain("Starting");
    }
    let ended = pod.container.ended.as_ref();
    let last = ended.map(|ended| format!("; {ended}"));
    let mut picture = because(
        "Starting",
        reason,
        &format!("{message}{}", last.unwrap_or_default()),
    );
    if ended.is_some_and(|ended| ended.kind() == "OOMKilled") {
        "OOMKilled".clone_into(&mut picture.reason);
    }
    picture.stalled = matches!(reason.as_str(), "InvalidImageName" | "ErrImageNeverPull");
    picture
}

/// The container runs.
fn running(pod: &PodFacts, reading: Option<&Reading>) -> Picture {
    let ready = pod.ready.is_some();
    let Some(reading) = reading else {
        return Picture {
            ready,
            ..plain(if ready { "Streaming" } else { "Starting" })
        };
    };
    let Some(said) = &reading.said else {
        let mut picture = plain(if ready { "Streaming" } else { "Starting" });
        picture.ready = ready;
        // Of before it became ready it is to be asked again.
        if reading.failed >= ASKED && reading.ready == pod.ready {
            "StatusUnreachable".clone_into(&mut picture.reason);
            picture.message = format!("its pod does not answer: {}", reading.error);
        }
        return picture;
    };
    let message = [said.message.as_str(), said.remedy.as_str()]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("; ");
    Picture {
        state: said.state.as_str(),
        reason: said.reason.clone(),
        message,
        ready,
        stalled: matches!(
            said.state,
            CameraState::Stalled | CameraState::Fenced | CameraState::SubjectInUse
        ),
        ..Picture::default()
    }
}

fn plain(state: &'static str) -> Picture {
    Picture {
        state,
        ..Picture::default()
    }
}

fn because(state: &'static str, reason: &str, message: &str) -> Picture {
    Picture {
        state,
        reason: reason.to_owned(),
        message: message.to_owned(),
        ..Picture::default()
    }
}

#[cfg(test)]
mod tests;
