/**
 * Who may do what: rules of a user, each with verbs and what they are allowed on. What no rule
 * allows is denied.
 */

export const verbs = ['read', 'write', 'create', 'delete', 'alter', 'describe'] as const;
export type Verb = (typeof verbs)[number];

export const resourceKinds = ['topic', 'group', 'transaction', 'cluster'] as const;
export type ResourceKind = (typeof resourceKinds)[number];

export interface AccessRule {
  readonly verbs: readonly (Verb | 'all')[];
  readonly kind: ResourceKind;
  /** A name; with `*` at its end every name that begins so. */
  readonly pattern: string;
}

/** There is one cluster. */
export const CLUSTER = '*';

/** Who may do one of these to something may also know that it is there. */
const describing: readonly (Verb | 'all')[] = ['read', 'write', 'delete', 'alter'];

export function allows(
  rules: readonly AccessRule[],
  verb: Verb,
  kind: ResourceKind,
  name: string,
): boolean {
  return rules.some(
    (rule) => rule.kind === kind && hasVerb(rule, verb) && fits(rule.pattern, name),
  );
}

/** Whether there may be a name on which the verb is allowed. */
export function allowsSome(rules: readonly AccessRule[], verb: Verb, kind: ResourceKind): boolean {
  return rules.some((rule) => rule.kind === kind && hasVerb(rule, verb));
}

function hasVerb(rule: AccessRule, verb: Verb): boolean {
  if (rule.verbs.includes('all') || rule.verbs.includes(verb)) return true;
  return verb === 'describe' && rule.verbs.some((one) => describing.includes(one));
}

function fits(pattern: string, name: string): boolean {
  if (!pattern.endsWith('*')) return pattern === name;
  return name.startsWith(pattern.slice(0, -1));
}
