//! BERT's encoder: what every piece of a text means in its place.

use super::erf::gelu;
use super::weights::Weights;
use anyhow::{Result, ensure};
use ndarray::{Array1, Array2, ArrayView2, Axis, Slice, concatenate};
use serde::Deserialize;

/// The sizes of a model, as `config.json` has them.
#[derive(Debug, Clone, Deserialize)]
pub struct Shape {
    pub hidden_size: usize,
    pub intermediate_size: usize,
    pub num_attention_heads: usize,
    pub num_hidden_layers: usize,
    pub max_position_embeddings: usize,
    pub type_vocab_size: usize,
    pub vocab_size: usize,
    pub layer_norm_eps: f32,
    pub hidden_act: String,
}

/// The network with its weights.
pub struct Encoder {
    words: Array2<f32>,
    /// By place, with what the first kind of segment adds.
    places: Array2<f32>,
    norm: Norm,
    layers: Vec<Layer>,
}

struct Layer {
    heads: usize,
    /// Queries, keys and values beside each other, so that one product makes them all.
    mixed: Dense,
    joined: Dense,
    joined_norm: Norm,
    wide: Dense,
    narrow: Dense,
    narrow_norm: Norm,
}

/// `x · weightᵀ + bias`.
struct Dense {
    weight: Array2<f32>,
    bias: Array1<f32>,
}

/// Every row to mean 0 and variance 1, then scaled and shifted.
struct Norm {
    scale: Array1<f32>,
    shift: Array1<f32>,
    epsilon: f32,
}

impl Encoder {
    pub fn new(shape: &Shape, weights: &Weights) -> Result<Self> {
        let Shape { hidden_size: size, num_attention_heads: heads, .. } = *shape;
        ensure!(heads > 0 && size % heads == 0, "{size} numbers cannot be shared by {heads} heads");
        ensure!(shape.hidden_act == "gelu", "the activation {:?} is not known", shape.hidden_act);
        let table = |name: &str, rows| weights.matrix(&format!("embeddings.{name}.weight"), rows, size);
        let kinds = table("token_type_embeddings", shape.type_vocab_size)?;
        ensure!(!kinds.is_empty(), "there is no kind of segment");
        let layer = |number| Layer::new(shape, weights, &format!("encoder.layer.{number}"));
        Ok(Self {
            words: table("word_embeddings", shape.vocab_size)?,
            places: table("position_embeddings", shape.max_position_embeddings)? + kinds.row(0),
            norm: Norm::new(shape, weights, "embeddings.LayerNorm")?,
            layers: (0..shape.num_hidden_layers).map(layer).collect::<Result<_>>()?,
        })
    }

    /// The longest text, in pieces.
    pub fn longest(&self) -> usize {
        self.places.nrows()
    }

    /// How many pieces are known.
    pub fn words(&self) -> usize {
        self.words.nrows()
    }

    pub fn dimension(&self) -> usize {
        self.words.ncols()
    }

    /// One row per piece. A text alone needs no padding and no mask.
    pub fn run(&self, ids: &[u32]) -> Array2<f32> {
        let ids = &ids[..ids.len().min(self.longest())];
        let mut states = self.places.slice_axis(Axis(0), Slice::from(..ids.len())).to_owned();
        for (mut row, id) in states.rows_mut().into_iter().zip(ids) {
            row += &self.words.row(*id as usize);
        }
        self.norm.apply(&mut states);
        for layer in &self.layers {
            states = layer.apply(&states);
        }
        states
    }
}

impl Layer {
    fn new(shape: &Shape, weights: &Weights, name: &str) -> Result<Self> {
        let (size, wide) = (shape.hidden_size, shape.intermediate_size);
        let dense = |part: &str, to, from| Dense::new(weights, &format!("{name}.{part}"), to, from);
        let norm = |part: &str| Norm::new(shape, weights, &format!("{name}.{part}"));
        let [query, key, value] =
            ["query", "key", "value"].map(|part| dense(&format!("attention.self.{part}"), size, size));
        Ok(Self {
            heads: shape.num_attention_heads,
            mixed: Dense::beside(&[query?, key?, value?])?,
            joined: dense("attention.output.dense", size, size)?,
            joined_norm: norm("attention.output.LayerNorm")?,
            wide: dense("intermediate.dense", wide, size)?,
            narrow: dense("output.dense", size, wide)?,
            narrow_norm: norm("output.LayerNorm")?,
        })
    }

    fn apply(&self, states: &Array2<f32>) -> Array2<f32> {
        let mut attended = self.joined.apply(&self.attention(states).view()) + states;
        self.joined_norm.apply(&mut attended);
        let mut wide = self.wide.apply(&attended.view());
        wide.mapv_inplace(gelu);
        let mut out = self.narrow.apply(&wide.view()) + &attended;
        self.narrow_norm.apply(&mut out);
        out
    }

    /// Every piece takes up of the others what its heads look for.
    fn attention(&self, states: &Array2<f32>) -> Array2<f32> {
        let mixed = self.mixed.apply(&states.view());
        let size = states.ncols();
        let width = size / self.heads;
        #[expect(clippy::cast_precision_loss, reason = "the width of a head is far below 2^24")]
        let scale = 1.0 / (width as f32).sqrt();
        let mut taken = Array2::zeros(states.raw_dim());
        for head in 0..self.heads {
            let part = |which: usize| {
                let begin = which * size + head * width;
                mixed.slice_axis(Axis(1), Slice::from(begin..begin + width))
            };
            let mut shares = part(0).dot(&part(1).t()) * scale;
            softmax(&mut shares);
            let place = Slice::from(head * width..(head + 1) * width);
            taken.slice_axis_mut(Axis(1), place).assign(&shares.dot(&part(2)));
        }
        taken
    }
}

impl Dense {
    fn new(weights: &Weights, name: &str, to: usize, from: usize) -> Result<Self> {
        let weight = weights.matrix(&format!("{name}.weight"), to, from)?;
        Ok(Self { weight, bias: weights.vector(&format!("{name}.bias"), to)? })
    }

    /// Several with the same input as one.
    fn beside(parts: &[Self]) -> Result<Self> {
        let weights: Vec<_> = parts.iter().map(|part| part.weight.view()).collect();
        let biases: Vec<_> = parts.iter().map(|part| part.bias.view()).collect();
        Ok(Self { weight: concatenate(Axis(0), &weights)?, bias: concatenate(Axis(0), &biases)? })
    }

    fn apply(&self, states: &ArrayView2<'_, f32>) -> Array2<f32> {
        states.dot(&self.weight.t()) + &self.bias
    }
}

impl Norm {
    fn new(shape: &Shape, weights: &Weights, name: &str) -> Result<Self> {
        let part = |part: &str| weights.vector(&format!("{name}.{part}"), shape.hidden_size);
        Ok(Self { scale: part("weight")?, shift: part("bias")?, epsilon: shape.layer_norm_eps })
    }

    fn apply(&self, states: &mut Array2<f32>) {
        for mut row in states.rows_mut() {
            let mean = row.mean().unwrap_or(0.0);
            row -= mean;
            let variance = row.dot(&row) / count(row.len());
            row *= 1.0 / (variance + self.epsilon).sqrt();
            row *= &self.scale;
            row += &self.shift;
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "rows are far shorter than 2^24")]
fn count(length: usize) -> f32 {
    length.max(1) as f32
}

/// Every row to shares that are positive and sum up to 1.
fn softmax(rows: &mut Array2<f32>) {
    for mut row in rows.rows_mut() {
        let largest = row.fold(f32::NEG_INFINITY, |largest, x| largest.max(*x));
        row.mapv_inplace(|x| (x - largest).exp());
        let sum = row.sum();
        row /= sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn shares_sum_up_to_one_and_large_numbers_do_not_overflow() {
        let mut rows = array![[0.0, 3.0_f32.ln()], [1_000.0, 1_000.0]];
        softmax(&mut rows);
        assert!((&rows - &array![[0.25, 0.75], [0.5, 0.5]]).iter().all(|off| off.abs() < 1e-6), "{rows}");
    }

    #[test]
    fn a_row_is_brought_to_mean_nothing_and_variance_one() {
        let norm = Norm { scale: array![2.0, 2.0], shift: array![1.0, 1.0], epsilon: 1e-12 };
        let mut states = array![[1.0, 5.0]];
        norm.apply(&mut states);
        assert!((&states - &array![[-1.0, 3.0]]).iter().all(|off| off.abs() < 1e-5), "{states}");
    }

    #[test]
    fn heads_look_at_their_own_part_alone() {
        // Queries and keys are nothing, so every piece takes the mean of all values.
        let mut weight = Array2::zeros((6, 2));
        weight[[4, 0]] = 1.0;
        weight[[5, 1]] = 1.0;
        let dense = |weight: Array2<f32>| Dense { bias: Array1::zeros(weight.nrows()), weight };
        let norm = || Norm { scale: Array1::ones(2), shift: Array1::zeros(2), epsilon: 1e-12 };
        let layer = Layer {
            heads: 2,
            mixed: dense(weight),
            joined: dense(Array2::eye(2)),
            joined_norm: norm(),
            wide: dense(Array2::eye(2)),
            narrow: dense(Array2::eye(2)),
            narrow_norm: norm(),
        };
        let taken = layer.attention(&array![[1.0, 10.0], [3.0, 30.0]]);
        assert!((&taken - &array![[2.0, 20.0], [2.0, 20.0]]).iter().all(|off| off.abs() < 1e-5), "{taken}");
    }
}
