/**
 * What a server has done since its start: requests and bytes by API, and connections.
 */

export interface ApiCounts {
  requests: number;
  requestBytes: number;
  answerBytes: number;
}

/** Why a connection was not served, or was ended. */
export type RefusalReason = 'connections' | 'connections-per-address' | 'closing' | 'failed';

export class KafkaCounters {
  readonly #byApi = new Map<string, ApiCounts>();
  readonly #refusals = new Map<RefusalReason, number>();
  #accepted = 0;

  /** By the name of the API. */
  get apis(): ReadonlyMap<string, Readonly<ApiCounts>> {
    return this.#byApi;
  }

  get refusals(): ReadonlyMap<RefusalReason, number> {
    return this.#refusals;
  }

  get accepted(): number {
    return this.#accepted;
  }

  get requests(): number {
    let requests = 0;
    for (const counts of this.#byApi.values()) requests += counts.requests;
    return requests;
  }

  noteBegun(api: string, bytes: number): void {
    const counts = this.#of(api);
    counts.requests += 1;
    counts.requestBytes += bytes;
  }

  noteAnswered(api: string, bytes: number): void {
    this.#of(api).answerBytes += bytes;
  }

  noteAccepted(): void {
    this.#accepted += 1;
  }

  noteRefused(reason: RefusalReason): void {
    this.#refusals.set(reason, (this.#refusals.get(reason) ?? 0) + 1);
  }

  #of(api: string): ApiCounts {
    const known = this.#byApi.get(api);
    if (known !== undefined) return known;
    const counts: ApiCounts = { requests: 0, requestBytes: 0, answerBytes: 0 };
    this.#byApi.set(api, counts);
    return counts;
  }
}
