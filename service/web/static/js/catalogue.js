// What does not change while one searches: dimensions, tags, what a cosine means here. And tracks met so far.

import { get } from "./api.js";

export const known = { dimensions: [], tags: [], dimensionOfTag: new Map(), likeness: {}, state: null };
const tracks = new Map();

export async function learn() {
  const [dimensions, tags, state] = await Promise.all([get("/dimensions"), get("/tags"), get("/catalogue")]);
  known.dimensions = dimensions.items.map((each) => each.name);
  known.tags = tags.items;
  known.dimensionOfTag = new Map(tags.items.map((tag) => [tag.name, tag.dimension]));
  known.likeness = state.likeness;
  known.state = state;
}

/** The class that gives a dimension its colour. */
export const colourOf = (name) => `dim-${Math.max(0, known.dimensions.indexOf(name)) % 8}`;

export const meet = (track) => { tracks.set(track.id, track); return track; };

/** A track by id: from memory, or asked for. */
export async function trackOf(id) {
  if (!tracks.has(id)) {
    // The promise is kept: whoever asks meanwhile waits for the same answer, and a track that is gone stays gone.
    const asked = get(`/tracks/${encodeURIComponent(id)}`);
    tracks.set(id, asked);
    asked.catch((error) => error.code !== "track_not_found" && tracks.get(id) === asked && tracks.delete(id));
  }
  return tracks.get(id);
}
