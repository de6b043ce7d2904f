// From what the page shows to what POST /query takes.
//
// A slider to the right is a weight. To the left it asks for something else than the examples: a ceiling, at the share
// of random pairs of this catalogue's tracks that are less alike (GET /catalogue tells the cosines).

const MILDEST = 0.85;
const STRONGEST = 0.4;

/** The cosine that a share of pairs stays below; `quantiles` are evenly spaced from share 0 to 1. */
function cosineAt(quantiles, share) {
  const place = Math.max(0, Math.min(1, share)) * (quantiles.length - 1);
  const low = Math.floor(place);
  const high = Math.min(low + 1, quantiles.length - 1);
  return quantiles[low] + (quantiles[high] - quantiles[low]) * (place - low);
}

/** The share of random pairs that are less alike than this cosine. */
export function shareBelow(quantiles, cosine) {
  if (cosine <= quantiles[0]) return 0;
  for (let step = 1; step < quantiles.length; step += 1) {
    if (cosine < quantiles[step]) {
      const width = quantiles[step] - quantiles[step - 1] || 1;
      return (step - 1 + (cosine - quantiles[step - 1]) / width) / (quantiles.length - 1);
    }
  }
  return 1;
}

const example = (text) => (text[0] === "t" ? { track: text.slice(2) } : { clip: text.slice(2) });

export const isAsked = (state) => state.like.length + state.unlike.length + Object.keys(state.tags).length > 0;

/** The question; `dimensions` are names, `likeness` quantiles by name. Null if nothing is asked for. */
export function asQuestion(state, dimensions, likeness, dimensionOfTag) {
  if (!isAsked(state)) return null;
  const question = { positive: state.like.map(example), negative: state.unlike.map(example), tags: { ...state.tags } };
  const hasExamples = state.like.length + state.unlike.length > 0;
  // Tags alone say nothing in dimensions that have none of them.
  const spoken = hasExamples ? dimensions : dimensions.filter(
    (name) => Object.keys(state.tags).some((tag) => dimensionOfTag.get(tag) === name));
  const weights = {};
  const ceilings = {};
  for (const name of spoken) {
    const amount = state.amounts[name] ?? 1;
    if (amount > 0) weights[name] = amount;
    if (amount < 0 && hasExamples && likeness[name]) {
      ceilings[name] = Math.max(-1, Math.min(1, cosineAt(likeness[name], MILDEST + (STRONGEST - MILDEST) * -amount)));
    }
  }
  if (Object.keys(weights).length > 0) question.weights = weights;
  if (Object.keys(ceilings).length > 0) question.ceilings = ceilings;
  return question;
}
