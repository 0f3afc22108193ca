/**
 * Charts as SVG, as little as the report needs: bars beside each other, and lines over a
 * logarithmic axis. They are read on light and on dark pages: nothing is filled behind them, text
 * and axes are of a grey that both carry, and the colours are told apart by those who see few.
 */

/** Most are of Okabe and Ito; none is lost on white or on black. */
const COLOURS = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00', '#999933'];
const GREY = '#808080';
const FONT = 'font-family="system-ui, sans-serif"';

export interface Bar {
  readonly label: string;
  /** From 0 on, in the unit of the chart. */
  readonly value: number;
  readonly isOurs: boolean;
}

export interface BarGroup {
  readonly title: string;
  readonly bars: readonly Bar[];
}

const WIDTH = 760;
const LABEL_WIDTH = 220;
const VALUE_WIDTH = 110;
const BAR_HEIGHT = 18;
const BAR_STEP = 23;
const GROUP_GAP = 34;

/** Each group has a scale of its own: its longest bar is as long as there is room. */
export function barChart(
  title: string,
  groups: readonly BarGroup[],
  format: (value: number) => string,
): string {
  const parts: string[] = [];
  let top = 30;
  for (const group of groups) {
    top += GROUP_GAP;
    parts.push(text(0, top - 10, group.title, { weight: 'bold' }));
    const most = Math.max(...group.bars.map(({ value }) => value), Number.MIN_VALUE);
    for (const { label, value, isOurs } of group.bars) {
      const length = ((WIDTH - LABEL_WIDTH - VALUE_WIDTH) * value) / most;
      const colour = isOurs ? COLOURS[0] : GREY;
      const middle = top + BAR_HEIGHT - 5;
      parts.push(
        text(LABEL_WIDTH - 8, middle, label, { anchor: 'end' }),
        `<rect x="${LABEL_WIDTH}" y="${top}" width="${round(Math.max(1, length))}" ` +
          `height="${BAR_HEIGHT}" fill="${colour}"/>`,
        text(LABEL_WIDTH + Math.max(1, length) + 6, middle, format(value), {}),
      );
      top += BAR_STEP;
    }
  }
  return document(title, top + 10, parts);
}

export interface Line {
  readonly label: string;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

export interface Axes {
  readonly xLabel: string;
  readonly yLabel: string;
  readonly formatX: (value: number) => string;
  readonly formatY: (value: number) => string;
}

const LEFT = 80;
const RIGHT = 180;
const TOP = 50;
const HEIGHT = 300;
const BOTTOM = 50;

/** Both axes are logarithmic: values are above 0. Where lines end, their names stand. */
export function lineChart(title: string, lines: readonly Line[], axes: Axes): string {
  const xs = lines.flatMap(({ points }) => points.map(({ x }) => x));
  const ys = lines.flatMap(({ points }) => points.map(({ y }) => y));
  if (xs.length === 0) return document(title, TOP, []);
  const xScale = logScale(xs, LEFT, WIDTH - RIGHT);
  const yScale = logScale(ys, TOP + HEIGHT, TOP);
  const parts = [
    ...powers(xs).map((x) => {
      const at = round(xScale(x));
      const label = text(at, TOP + HEIGHT + 18, axes.formatX(x), { anchor: 'middle' });
      return rule(at, TOP, at, TOP + HEIGHT) + label;
    }),
    ...powers(ys).map((y) => {
      const at = round(yScale(y));
      const label = text(LEFT - 8, at + 4, axes.formatY(y), { anchor: 'end' });
      return rule(LEFT, at, WIDTH - RIGHT, at) + label;
    }),
    text((LEFT + WIDTH - RIGHT) / 2, TOP + HEIGHT + 40, axes.xLabel, { anchor: 'middle' }),
    text(0, TOP - 14, axes.yLabel, {}),
  ];
  const labels = spread(lines.map(({ points }) => yScale(points.at(-1)?.y ?? 1)));
  for (const [index, { label, points }] of lines.entries()) {
    const colour = COLOURS[index % COLOURS.length] ?? GREY;
    const path = points.map(({ x, y }) => `${round(xScale(x))},${round(yScale(y))}`).join(' ');
    const end = xScale(points.at(-1)?.x ?? 1);
    parts.push(
      `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2.5"/>`,
      ...points.map(
        ({ x, y }) =>
          `<circle cx="${round(xScale(x))}" cy="${round(yScale(y))}" r="3" fill="${colour}"/>`,
      ),
      text(end + 8, (labels[index] ?? 0) + 4, label, { colour }),
    );
  }
  return document(title, TOP + HEIGHT + BOTTOM, parts);
}

/** Powers of ten that hold the values, the ones around them included. */
export function powers(values: readonly number[]): readonly number[] {
  const low = Math.floor(Math.log10(Math.min(...values)) + 1e-9);
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values)) - 1e-9));
  return Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index));
}

/** Positions of labels, moved apart as far as a line of text needs; the order stays. */
export function spread(positions: readonly number[]): readonly number[] {
  const order = positions.map((_, index) => index);
  order.sort((a, b) => (positions[a] ?? 0) - (positions[b] ?? 0));
  const moved = [...positions];
  let least = Number.NEGATIVE_INFINITY;
  for (const index of order) {
    moved[index] = Math.max(positions[index] ?? 0, least);
    least = (moved[index] ?? 0) + 15;
  }
  return moved;
}

function logScale(values: readonly number[], from: number, to: number): (value: number) => number {
  const [low = 1, ...rest] = powers(values);
  const high = rest.at(-1) ?? low;
  return (value) => from + ((to - from) * Math.log10(value / low)) / Math.log10(high / low);
}

interface TextStyle {
  readonly anchor?: 'middle' | 'end';
  readonly weight?: 'bold';
  readonly colour?: string;
}

function text(x: number, y: number, content: string, style: TextStyle): string {
  const { anchor = 'start', weight = 'normal', colour = GREY } = style;
  const place = `x="${round(x)}" y="${round(y)}" text-anchor="${anchor}"`;
  const look = `font-size="13" font-weight="${weight}" fill="${colour}" ${FONT}`;
  return `<text ${place} ${look}>${escaped(content)}</text>`;
}

function rule(x1: number, y1: number, x2: number, y2: number): string {
  const place = `x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}"`;
  return `<line ${place} stroke="${GREY}" stroke-opacity="0.3"/>`;
}

function document(title: string, height: number, parts: readonly string[]): string {
  const size = `width="${WIDTH}" height="${round(height)}" viewBox="0 0 ${WIDTH} ${round(height)}"`;
  const heading = `<text x="0" y="18" font-size="16" font-weight="bold" fill="${GREY}" ${FONT}>`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img">`,
    `<title>${escaped(title)}</title>`,
    `${heading}${escaped(title)}</text>`,
    ...parts,
    '</svg>\n',
  ].join('\n');
}

function escaped(content: string): string {
  return content.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}

function round(value: number): number {
  return Number(value.toFixed(1));
}
