// As much of Markdown as model cards use, made into elements: headings, lists, tables, bold, italics, code, links.

import { element } from "./dom.js";

function inline(text) {
  return text.split(/(\*\*[^*]+\*\*|\*[^*\s][^*]*\*|`[^`]+`|\[[^\]]+\]\([^)]+\))/).map((part) => {
    if (part.startsWith("**")) return element("strong", {}, part.slice(2, -2));
    if (/^\*.+\*$/.test(part)) return element("em", {}, part.slice(1, -1));
    if (part.startsWith("`")) return element("code", {}, part.slice(1, -1));
    const link = /^\[([^\]]+)\]\((https?:[^)]+)\)$/.exec(part);
    if (link) return element("a", { href: link[2], rel: "noreferrer" }, link[1]);
    const other = /^\[([^\]]+)\]\(/.exec(part);
    return other ? other[1] : part;
  });
}

const cells = (line) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());

function table(lines) {
  const [head, , ...body] = lines.map(cells);
  return element("div", { class: "wide", tabindex: 0, role: "region", "aria-label": head.join(", ") }, element("table", {},
    element("thead", {}, element("tr", {}, ...head.map((cell) => element("th", { scope: "col" }, ...inline(cell))))),
    element("tbody", {}, ...body.map((line) => element("tr", {}, ...line.map((cell) => element("td", {}, ...inline(cell))))))));
}

/** Elements of a text; headings begin at h2. */
export function rendered(text) {
  const blocks = text.replace(/<!--[\s\S]*?-->/g, "").replace(/\r/g, "").split(/\n\s*\n/).map((block) => block.trim());
  return blocks.filter(Boolean).flatMap((block) => {
    const lines = block.split("\n");
    const heading = /^(#+)\s+(.*)$/.exec(lines[0]);
    if (heading) {
      const made = element(heading[1].length < 3 ? "h2" : "h3", {}, ...inline(heading[2]));
      return lines.length > 1 ? [made, ...rendered(lines.slice(1).join("\n"))] : [made];
    }
    if (lines.length > 1 && lines[0].startsWith("|")) return [table(lines)];
    if (/^[-*] /.test(lines[0])) {
      const items = block.split(/\n(?=[-*] )/).map((item) => item.slice(2).replace(/\n\s*/g, " "));
      return [element("ul", {}, ...items.map((item) => element("li", {}, ...inline(item))))];
    }
    return [element("p", {}, ...inline(lines.join(" ")))];
  });
}
