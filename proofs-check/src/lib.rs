//! Claims about performative policy gradients, decided in exact arithmetic.
//!
//! So far: Theorem 2 of \[PePG\] as transcribed (version 1 of the preprint). The
//! statement weights both scores by the advantage,
//!
//! ```text
//! grad V = E sum_t gamma^t [ A(s_t,a_t) (grad log pi + grad log P(s_{t+1}|s_t,a_t)) + grad r ]
//! ```
//!
//! and loses the transition term, because `E[grad log P | s,a] = 0`. The repair
//! puts the temporal difference `r + gamma V(s_{t+1}) - V(s_t)` in place of
//! `A(s_t,a_t)`. Proofs: `docs/theory/gradient.md`.

pub mod theorem2;
