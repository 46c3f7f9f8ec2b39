//! What every backend must do, run whole for each: the same random integers, the same results within rounding of the
//! double-precision oracle, for every law and device file, with noise on.
//!
//! Tolerance: a backend may be four times as far from the oracle as the CPU without vector instructions is at its worst in the same
//! test. Real graphics processors divide and take roots less exactly than IEEE 754 and fuse products and sums; none of that
//! is allowed to accumulate beyond this. Integers are compared exactly.

mod cell_noise;
mod counts;
#[path = "../../examples/custom_law.rs"]
#[cfg_attr(not(feature = "gpu"), allow(dead_code))]
mod custom_law;
mod devices;
#[cfg(feature = "gpu")]
mod faults;
mod fixture;
mod onesided;
mod order;
mod periphery;
mod programming;
mod reads;
mod stuck;
#[cfg(feature = "gpu")]
mod studies;
mod time;
mod updates;
mod wires;

#[cfg(feature = "gpu")]
use fixture::gpu;
use fixture::{avx2, cpu, scalar};

/// Runs every contract at one site.
macro_rules! suite {
    ($name:ident, $site:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn random_words() {
                counts::random_words($site);
            }
            #[test]
            fn rounded_counts() {
                counts::rounded_counts($site);
            }
            #[test]
            fn coincidences() {
                counts::coincidences($site);
            }
            #[test]
            fn updates_of_every_device_and_law() {
                updates::every_device_and_law($site);
            }
            #[test]
            fn updates_at_the_bounds() {
                updates::at_the_bounds($site);
            }
            #[test]
            fn write_noise() {
                updates::write_noise($site);
            }
            #[test]
            fn relaxation() {
                updates::relaxation($site);
            }
            #[test]
            fn readouts() {
                updates::readouts($site);
            }
            #[test]
            fn relaxation_of_unequal_cells() {
                time::own_relaxation($site);
            }
            #[test]
            fn drift() {
                time::drift($site);
            }
            #[test]
            fn drift_in_parts() {
                time::drift_in_parts($site);
            }
            #[test]
            fn wear() {
                time::wear($site);
            }
            #[test]
            fn mean_updates_renew() {
                time::mean_updates_renew($site);
            }
            #[test]
            fn ages_for_others() {
                time::ages_for_others($site);
            }
            #[test]
            fn history_in_stacks() {
                time::history_in_stacks($site);
            }
            #[test]
            fn slow_relaxation() {
                updates::slow_relaxation($site);
            }
            #[test]
            fn programming() {
                programming::programmed($site);
            }
            #[test]
            fn stuck_cells() {
                stuck::nothing_moves_them($site);
            }
            #[test]
            fn depressing_pulses() {
                onesided::depressing_pulses_do_nothing($site);
            }
            #[test]
            fn resets() {
                onesided::resets($site);
            }
            #[test]
            fn reads_of_every_shape() {
                reads::every_shape($site);
            }
            #[test]
            fn read_noise() {
                reads::read_noise($site);
            }
            #[test]
            fn reads_of_noisy_cells() {
                cell_noise::reads($site);
            }
            #[test]
            fn traps() {
                cell_noise::traps($site);
            }
            #[test]
            fn reads_through_converters() {
                periphery::through_converters($site);
            }
            #[test]
            fn reads_of_tiles_and_slices() {
                periphery::tiles_and_slices($site);
            }
            #[test]
            fn reads_through_wires() {
                wires::as_the_network_is_solved($site);
            }
            #[test]
            fn wires_change_products_alone() {
                wires::only_products_change($site);
            }
            #[test]
            fn reads_see_the_write_noise() {
                reads::write_noise_is_seen($site);
            }
            #[test]
            fn replicas_do_not_depend_on_the_cut() {
                order::cut_into_stacks($site);
            }
            #[test]
            fn many_operations_between_reads() {
                order::many_operations($site);
            }
        }
    };
}

suite!(on_cpu_without_vectors, scalar());
suite!(on_cpu_with_avx2, avx2());
suite!(on_cpu, cpu());
#[cfg(feature = "gpu")]
suite!(on_gpu, gpu());

/// The example itself: its law simulated on both places, and predicted.
#[cfg(feature = "gpu")]
#[test]
fn the_example_runs() {
    custom_law::main().unwrap();
}

#[cfg(feature = "gpu")]
#[test]
fn a_study_on_the_gpu_is_the_study_on_the_cpu() {
    studies::the_same_numbers(&fixture::gpu_place());
}
