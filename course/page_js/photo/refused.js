// Why a picture shows no digits: one sentence that says what to do.

export class Refused extends Error {}
