// Package identity proves who reads what. Each stack's job gets in and reads its own credentials; every other token,
// role, path and request is refused, each for its own reason. No right of the deployer or of the jobs is spare.
package identity
