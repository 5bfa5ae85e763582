// How near a text is to groups of images.

import { section, format } from "./parts.mjs";
import { bars, curves } from "./charts.mjs";

const ENDS = 10; // groups of the highest and of the lowest mean that are shown

// byGroup draws the means of groups: their course if all names are numbers, such as years, else the highest and the lowest.
export function byGroup(groups) {
  if (!(groups?.length > 1)) return null;
  const numbers = { columns: ["group", "mean cosine", "images"], rows: groups.map((g) => [g.group, g.mean, g.images]) };
  if (groups.every((g) => /^-?\d+$/.test(g.group))) {
    const course = [...groups].sort((a, b) => a.group - b.group);
    const years = course.every((g) => /^(1\d|20|21)\d\d$/.test(g.group));
    const x = years ? "year" : "group";
    return section(years ? "Over the years" : "By group", {}, curves("text-groups", {
      x, y: "mean cosine", xs: course.map((g) => Number(g.group)), lines: [{ label: "mean cosine of images", values: course.map((g) => g.mean), colour: "accent" }],
      xValues: (u, splits) => splits.map((v) => (Number.isInteger(v) ? String(v) : "")),
      range: (u, min, max) => [min - (max - min) * 0.1, max + (max - min) * 0.1],
      label: `mean cosine by ${x}: ${course.map((g) => `${g.group} ${format(g.mean, 3)}`).join("; ")}`, caption: `Mean cosine of the text and the images of each ${x}.`, numbers,
    }));
  }
  const sorted = [...groups].sort((a, b) => b.mean - a.mean);
  const few = sorted.length <= 2 * ENDS ? sorted : [...sorted.slice(0, ENDS), ...sorted.slice(-ENDS)];
  return section("By group", {}, bars("text-groups", few.map((g) => ({ text: g.group, value: g.mean, title: `${g.group}: ${g.images} images` })), {
    caption: few === sorted ? "Mean cosine of the text and the images of each group." : `Mean cosine of the text and the images of a group: the ${ENDS} highest and the ${ENDS} lowest of ${sorted.length}.`,
    label: "mean cosine by group", numbers,
  }));
}
