/**
 * The patterns of a topic exchange as a trie of words, so that a key meets only what it may match.
 *
 *     words are what stands between points; no text is no word, and `a..b` has an empty one
 *     `*`  one word, whichever       `#`  any number of words, also none
 *     only as a whole word: `a*` is the word `a*`
 *
 * (rabbitmq.com/tutorials/tutorial-five, rabbit_db_topic_exchange.) All nodes that the words so
 * far lead to are kept at once, each once, and a `#` stays where it is while words pass. So a
 * pattern of many `#` costs a node per word, where trying every division of the words would take
 * for ever.
 */

interface TrieNode<Value> {
  readonly isRest: boolean;
  words: Map<string, TrieNode<Value>> | undefined;
  oneWord: TrieNode<Value> | undefined;
  restWords: TrieNode<Value> | undefined;
  value: Value | undefined;
  /** The last step of a match that reached it. */
  mark: number;
}

const POINT = '.';
const ONE_WORD = '*';
const REST_WORDS = '#';

export class TopicTrie<Value> {
  readonly #root = makeNode<Value>(false);
  #step = 0;
  #current: TrieNode<Value>[] = [];
  #next: TrieNode<Value>[] = [];

  get(pattern: string): Value | undefined {
    let node: TrieNode<Value> | undefined = this.#root;
    for (const word of wordsOf(pattern)) node = node === undefined ? node : childOf(node, word);
    return node?.value;
  }

  set(pattern: string, value: Value): void {
    let node = this.#root;
    for (const word of wordsOf(pattern)) node = childOf(node, word) ?? addChild(node, word);
    node.value = value;
  }

  /** Takes the pattern out, and the nodes that nothing needs any more. */
  delete(pattern: string): void {
    const words = wordsOf(pattern);
    const path: TrieNode<Value>[] = [];
    let node: TrieNode<Value> | undefined = this.#root;
    for (const word of words) {
      path.push(node);
      node = childOf(node, word);
      if (node === undefined) return;
    }
    node.value = undefined;
    for (let last = words.length - 1; last >= 0; last -= 1) {
      const [parent, word] = [path[last], words[last]];
      if (parent === undefined || word === undefined || !isBare(childOf(parent, word))) return;
      dropChild(parent, word);
    }
  }

  /** Puts the values of all patterns that match the key into `found`. */
  match(key: string, found: Value[]): void {
    this.#advance(this.#root, this.#begin());
    let start = 0;
    while (start <= key.length && key.length > 0 && this.#next.length > 0) {
      const point = key.indexOf(POINT, start);
      const end = point < 0 ? key.length : point;
      this.#take(key.slice(start, end));
      start = end + 1;
    }
    for (const { value } of this.#next) if (value !== undefined) found.push(value);
    this.#next.length = 0;
  }

  #begin(): number {
    this.#step += 1;
    return this.#step;
  }

  /** From the nodes before a word to those behind it. */
  #take(word: string): void {
    const nodes = this.#next;
    this.#next = this.#current;
    this.#current = nodes;
    const step = this.#begin();
    for (const node of nodes) {
      if (node.isRest) this.#advance(node, step);
      const child = node.words?.get(word);
      if (child !== undefined) this.#advance(child, step);
      if (node.oneWord !== undefined) this.#advance(node.oneWord, step);
    }
    nodes.length = 0;
  }

  /** A `#` behind a node is reached with it, as it needs no word. */
  #advance(reached: TrieNode<Value>, step: number): void {
    let node: TrieNode<Value> | undefined = reached;
    while (node !== undefined && node.mark !== step) {
      node.mark = step;
      this.#next.push(node);
      node = node.restWords;
    }
  }
}

function wordsOf(pattern: string): readonly string[] {
  return pattern === '' ? [] : pattern.split(POINT);
}

function makeNode<Value>(isRest: boolean): TrieNode<Value> {
  const [words, oneWord, restWords, value] = [undefined, undefined, undefined, undefined];
  return { isRest, words, oneWord, restWords, value, mark: 0 };
}

function childOf<Value>(node: TrieNode<Value>, word: string): TrieNode<Value> | undefined {
  if (word === ONE_WORD) return node.oneWord;
  return word === REST_WORDS ? node.restWords : node.words?.get(word);
}

function addChild<Value>(node: TrieNode<Value>, word: string): TrieNode<Value> {
  const child = makeNode<Value>(word === REST_WORDS);
  if (word === ONE_WORD) {
    node.oneWord = child;
  } else if (word === REST_WORDS) {
    node.restWords = child;
  } else {
    node.words ??= new Map();
    node.words.set(word, child);
  }
  return child;
}

function dropChild<Value>(node: TrieNode<Value>, word: string): void {
  if (word === ONE_WORD) {
    node.oneWord = undefined;
  } else if (word === REST_WORDS) {
    node.restWords = undefined;
  } else {
    node.words?.delete(word);
    if (node.words?.size === 0) node.words = undefined;
  }
}

function isBare<Value>(node: TrieNode<Value> | undefined): boolean {
  if (node === undefined || node.value !== undefined || node.words !== undefined) return false;
  return node.oneWord === undefined && node.restWords === undefined;
}
