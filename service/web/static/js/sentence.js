// The question in words: Like “Paper Lanterns”, another mood, any era.

import { named } from "./examples.js";

async function titles(examples) {
  const all = await Promise.all(examples.map(named));
  return all.map((track) => `“${track.title}”`).join(" and ");
}

export async function inWords(state, dimensions) {
  const tags = (sign) => Object.keys(state.tags).filter((tag) => state.tags[tag] === sign).join(" and ");
  const said = (low, high) => dimensions.filter((name) => {
    const amount = state.amounts[name] ?? 1;
    return amount >= low && amount <= high;
  });
  const [like, unlike] = await Promise.all([titles(state.like), titles(state.unlike)]);
  const parts = [
    like && `like ${like}`,
    tags(1) && (like ? `more ${tags(1)}` : tags(1)),
    unlike && `unlike ${unlike}`,
    tags(-1) && `less ${tags(-1)}`,
    ...(like || unlike ? said(-1, -0.01).map((name) => `another ${name}`) : []),
    ...said(0, 0).map((name) => `any ${name}`),
  ].filter(Boolean).join(", ");
  return parts[0].toUpperCase() + parts.slice(1);
}
