//! Simulator of neuromorphic memristor crossbars that predicts, simulates and measures the L2 regularization that noisy,
//! nonlinear, asymmetric devices add to on-chip training.
//!
//! Layers, from the bottom: [`number`] (numbers, random streams), [`arrays`] and [`document`] (files), [`device`] (laws), [`backend`] (whole-array
//! operations), [`crossbar`] (weights, periphery), [`training`], [`bias`] (prediction and measurement), `study`
//! (files to runs to results), `report` (plots, tables, pages). Imports point down this list only.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod arrays;
pub mod backend;
pub mod bias;
pub mod crossbar;
pub mod device;
pub mod document;
pub mod error;
pub mod number;
pub mod report;
pub mod study;
pub mod training;
pub mod units;
