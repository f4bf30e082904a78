//! Ten million positions over the sky: the index is made, then asked for the sources of full
//! frames, a circle of 2.6 degrees each. To be compared with what reading a frame takes:
//! `cargo bench -p spx-core --bench read`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use spx_batch::SkyIndex;
use spx_core::elementary::asin;
use spx_core::sky::Position;

const POSITIONS: usize = 10_000_000;
const RADIUS: f64 = 2.6;

fn anywhere(random: &mut fastrand::Rng) -> Position {
    let dec = asin(2.0 * random.f64() - 1.0).to_degrees();
    Position::new(360.0 * random.f64(), dec).unwrap_or_else(|_| unreachable!("a position on the sky"))
}

fn index(criterion: &mut Criterion) {
    let mut random = fastrand::Rng::with_seed(1);
    let positions: Vec<Position> = (0..POSITIONS).map(|_| anywhere(&mut random)).collect();
    let mut group = criterion.benchmark_group("ten_million");
    group.sample_size(10);
    group.bench_function("make", |b| b.iter(|| SkyIndex::new(black_box(&positions).iter().copied())));
    let index = SkyIndex::new(positions.iter().copied());
    let frames: Vec<Position> = (0..20).map(|_| anywhere(&mut random)).collect();
    group.bench_function("sources_of_20_frames", |b| {
        b.iter(|| {
            let found = |frame: &Position| index.within(*frame, RADIUS, |n| positions[n as usize]).len();
            frames.iter().map(found).sum::<usize>()
        });
    });
    group.finish();
}

criterion_group!(benches, index);
criterion_main!(benches);
