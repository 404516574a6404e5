//! `test`: a moving picture with time and frame number burnt in, drawn on the tick grid.

use std::sync::Arc;
use std::time::{Duration, Instant};
use streamhub_wire::metadata::CaptureSource;
use streamhub_wire::tick::TickGrid;

use super::{Attempt, Described, End};
use crate::captured::{Captured, Content, Still};
use crate::picture::test_card::TestCard;
use crate::picture::{Pool, Size};
use crate::router::Want;

/// Draws until stopped. The burnt-in number is the tick's, so that every test camera of the same
/// rate shows the same number at the same instant, wherever it runs.
pub fn run(size: Size, grid: TickGrid, label: &str, attempt: &Attempt) -> End {
    let outlet = &attempt.outlet;
    let mut card = TestCard::new(size, label);
    // Three planes of the frame that is drawn and of the one or two that renditions still encode.
    let pool = Pool::new(9);
    outlet.described(Described {
        codec: "raw".to_owned(),
        decoder: None,
        width: size.width,
        height: size.height,
    });
    let mut last = 0;
    loop {
        let clock = outlet.clock();
        let now_us = clock.unix_us(Instant::now());
        let mut k = grid.nearest(now_us);
        if grid.tick_us(k) <= now_us {
            k += 1;
        }
        // Never the same picture twice: rounding may name one tick again just after it passed.
        k = k.max(last + 1);
        let due_us = grid.tick_us(k);
        let due = clock.instant(due_us);
        let ahead = due.saturating_duration_since(Instant::now());
        if ahead > Duration::from_secs_f64(grid.interval_us() * 2e-6 + 1.0) {
            // The node's clock was set back: the old count is meaningless on the new time.
            last = 0;
            continue;
        }
        if attempt.wait_until(due) {
            return End::Stopped;
        }
        last = k;
        if outlet.want(Instant::now()) == Want::Nothing {
            outlet.alive(Some(due));
            continue;
        }
        let picture = Still::copied(&card.draw(k.unsigned_abs(), due_us), &pool);
        outlet.alive(Some(due));
        outlet.frame(Captured {
            content: Arc::new(Content::Still(picture)),
            at: due,
            capture: CaptureSource::Test,
            error: Some(Duration::ZERO),
            repeated: false,
        });
    }
}
