//! What every backend must do, run whole for each: the same random integers, the same results within rounding of the
//! double-precision oracle, for every law and device file, with noise on.
//!
//! Tolerance: a backend may be four times as far from the oracle as the scalar arithmetic of the CPU is at its worst in the same
//! test. Real graphics processors divide and take roots less exactly than IEEE 754 and fuse products and sums; none of that
//! is allowed to accumulate beyond this. Integers are compared exactly.

mod counts;
mod devices;
#[cfg(feature = "gpu")]
mod faults;
mod fixture;
mod order;
mod reads;
mod updates;

use fixture::cpu;
#[cfg(feature = "gpu")]
use fixture::gpu;

/// Runs every contract for one place.
macro_rules! suite {
    ($name:ident, $place:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn random_words() {
                counts::random_words($place);
            }
            #[test]
            fn rounded_counts() {
                counts::rounded_counts($place);
            }
            #[test]
            fn coincidences() {
                counts::coincidences($place);
            }
            #[test]
            fn updates_of_every_device_and_law() {
                updates::every_device_and_law($place);
            }
            #[test]
            fn write_noise() {
                updates::write_noise($place);
            }
            #[test]
            fn relaxation() {
                updates::relaxation($place);
            }
            #[test]
            fn reads_of_every_shape() {
                reads::every_shape($place);
            }
            #[test]
            fn read_noise() {
                reads::read_noise($place);
            }
            #[test]
            fn reads_see_the_write_noise() {
                reads::write_noise_is_seen($place);
            }
            #[test]
            fn replicas_do_not_depend_on_the_cut() {
                order::cut_into_stacks($place);
            }
            #[test]
            fn many_operations_between_reads() {
                order::many_operations($place);
            }
        }
    };
}

suite!(on_cpu, cpu());
#[cfg(feature = "gpu")]
suite!(on_gpu, gpu());
