// The map as the service sends it: ids and tags of all tracks, and the points of a space when it is first shown.

import { get, getMapPart } from "./api.js";

const LARGEST = 65535;
const NONE = 255;

const uuid = (bytes) => {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [8, 12, 16, 20].reduceRight((text, at) => `${text.slice(0, at)}-${text.slice(at)}`, hex);
};

class MapData {
  constructor(description, bytes, dimensions) {
    this.version = description.version;
    this.count = description.tracks;
    this.coloured = description.coloured;
    this.ids = new Uint8Array(bytes, 0, this.count * 16);
    this.tags = new Map(dimensions.map((name, place) =>
      [name, new Uint8Array(bytes, this.count * (16 + place), this.count)]));
    this.spaces = new Map();
  }

  id(point) {
    return uuid(this.ids.subarray(point * 16, point * 16 + 16));
  }

  /** Number of a track's colour when colouring by a dimension; 255 for none. */
  colour(point, dimension) {
    return this.tags.get(dimension)?.[point] ?? NONE;
  }

  /** x, y, x, y… from 0 to 1 of every track, in all dimensions together (null) or one. */
  async points(dimension) {
    if (!this.spaces.has(dimension)) {
      const query = dimension === null ? "" : `?dimension=${encodeURIComponent(dimension)}`;
      const { bytes, version } = await getMapPart(`/map/points${query}`);
      if (version !== this.version) throw Object.assign(new Error("The map has changed."), { code: "map_changed" });
      const numbers = new Uint16Array(bytes);
      this.spaces.set(dimension, Float32Array.from(numbers, (number) => number / LARGEST));
    }
    return this.spaces.get(dimension);
  }
}

/** The newest map; what was loaded of it is kept while it stays the same. */
export async function loadMap(before, dimensions) {
  const description = await get("/map");
  if (before?.version === description.version) return before;
  const { bytes, version } = await getMapPart("/map/tracks");
  if (version !== description.version) return loadMap(null, dimensions);
  return new MapData(description, bytes, dimensions);
}
