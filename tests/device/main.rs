//! Devices: laws, noise, variation, faults, what time does, and the files of the library. One program, because each costs its own link.

mod affine_noise;
mod aging;
mod cell_noise;
mod faults;
mod laws;
mod library;
mod onesided;
mod physical;
mod pulses;
mod readouts;
mod retention;
mod statistics;
mod text;
mod variation;
