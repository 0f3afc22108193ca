/**
 * What the members of a group subscribe to, as far as the coordinator can read it.
 */

import type { Group } from './group.js';
import type { GroupMember } from './group-member.js';
import { CONSUMER_PROTOCOL } from './group-requests.js';
import { decodeSubscription } from './group-subscription-format.js';

/** The topics of one member; undefined when its metadata are not a subscription. */
export function topicsOf(group: Group, member: GroupMember): readonly string[] | undefined {
  if (group.protocolType !== CONSUMER_PROTOCOL) return undefined;
  const metadata = member.metadataOf(group.protocol) ?? member.protocols[0]?.metadata;
  return metadata === undefined ? undefined : decodeSubscription(metadata)?.topics;
}

/** The topics of all members; undefined when one of them cannot be read. */
export function subscribedBy(group: Group): ReadonlySet<string> | undefined {
  const topics = new Set<string>(group.epochs?.subscribed);
  for (const member of group.members) {
    const own = topicsOf(group, member);
    if (own === undefined) return undefined;
    for (const topic of own) topics.add(topic);
  }
  return topics;
}
