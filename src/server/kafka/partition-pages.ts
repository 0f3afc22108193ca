/**
 * Partitions of many topics in pages: which come next, and where the page after that begins.
 */

export interface PagedTopic {
  readonly name: string;
  /** 0 for a topic that is not there: it is told all the same. */
  readonly partitions: number;
}

export interface PageCursor {
  readonly topicName: string;
  readonly partitionIndex: number;
}

export interface PagePart {
  readonly name: string;
  readonly first: number;
  /** Exclusive. */
  readonly end: number;
}

export interface PartitionPage {
  readonly parts: readonly PagePart[];
  /** Undefined when everything is told. */
  readonly next: PageCursor | undefined;
}

/**
 * Topics in the order of their names, from the cursor on, at most `limit` partitions. A topic that
 * the cursor names and that is gone is passed over.
 */
export function pageOf(
  topics: readonly PagedTopic[],
  cursor: PageCursor | null,
  limit: number,
): PartitionPage {
  const start = cursor?.topicName ?? '';
  const parts: PagePart[] = [];
  let left = limit;
  for (const { name, partitions } of [...topics].sort(byName)) {
    if (name < start) continue;
    const first = name === start ? Math.min(cursor?.partitionIndex ?? 0, partitions) : 0;
    if (left === 0) return { parts, next: { topicName: name, partitionIndex: first } };
    const end = Math.min(partitions, first + left);
    parts.push({ name, first, end });
    left -= end - first;
    if (end < partitions) return { parts, next: { topicName: name, partitionIndex: end } };
  }
  return { parts, next: undefined };
}

function byName(one: PagedTopic, other: PagedTopic): number {
  if (one.name === other.name) return 0;
  return one.name < other.name ? -1 : 1;
}
