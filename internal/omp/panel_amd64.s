//go:build amd64 && !noasm

#include "textflag.h"

// func accumulateAVX512(sums *float32, panel *int16, pairs *pair, n int)
TEXT ·accumulateAVX512(SB), NOSPLIT, $0-32
	MOVQ sums+0(FP), DI
	MOVQ panel+8(FP), SI
	MOVQ pairs+16(FP), DX
	MOVQ n+24(FP), CX
	TESTQ CX, CX
	JZ   done

loop:
	MOVL 480(DX), AX           // 40 pairs on: the atom's row
	MOVL 292(DX), BX           // 24 pairs on: the signal's row
	PREFETCHT0 (SI)(AX*1)
	PREFETCHT0 (DI)(BX*1)
	PREFETCHT0 64(DI)(BX*1)
	MOVL (DX), AX              // the atom's row
	MOVL 4(DX), BX             // the signal's row
	VBROADCASTSS 8(DX), Z4     // coefficient
	VPMOVSXWD (SI)(AX*1), Z2   // words 0..15
	VPMOVSXWD 32(SI)(AX*1), Z3 // words 16..31
	VMOVUPS (DI)(BX*1), Z0
	VMOVUPS 64(DI)(BX*1), Z1
	VCVTDQ2PS Z2, Z2
	VCVTDQ2PS Z3, Z3
	VFNMADD231PS Z2, Z4, Z0
	VFNMADD231PS Z3, Z4, Z1
	VMOVUPS Z0, (DI)(BX*1)
	VMOVUPS Z1, 64(DI)(BX*1)
	ADDQ $12, DX
	DECQ CX
	JNZ  loop
	VZEROUPPER

done:
	RET

// func accumulateAVX2(sums *float32, panel *int16, pairs *pair, n int)
TEXT ·accumulateAVX2(SB), NOSPLIT, $0-32
	MOVQ sums+0(FP), DI
	MOVQ panel+8(FP), SI
	MOVQ pairs+16(FP), DX
	MOVQ n+24(FP), CX
	TESTQ CX, CX
	JZ   done

loop:
	MOVL 480(DX), AX           // 40 pairs on: the atom's row
	MOVL 292(DX), BX           // 24 pairs on: the signal's row
	PREFETCHT0 (SI)(AX*1)
	PREFETCHT0 (DI)(BX*1)
	PREFETCHT0 64(DI)(BX*1)
	MOVL (DX), AX              // the atom's row
	MOVL 4(DX), BX             // the signal's row
	VBROADCASTSS 8(DX), Y8     // coefficient
	VPMOVSXWD (SI)(AX*1), Y4   // words 0..7
	VPMOVSXWD 16(SI)(AX*1), Y5 // words 8..15
	VPMOVSXWD 32(SI)(AX*1), Y6 // words 16..23
	VPMOVSXWD 48(SI)(AX*1), Y7 // words 24..31
	VMOVUPS (DI)(BX*1), Y0
	VMOVUPS 32(DI)(BX*1), Y1
	VMOVUPS 64(DI)(BX*1), Y2
	VMOVUPS 96(DI)(BX*1), Y3
	VCVTDQ2PS Y4, Y4
	VCVTDQ2PS Y5, Y5
	VCVTDQ2PS Y6, Y6
	VCVTDQ2PS Y7, Y7
	VFNMADD231PS Y4, Y8, Y0
	VFNMADD231PS Y5, Y8, Y1
	VFNMADD231PS Y6, Y8, Y2
	VFNMADD231PS Y7, Y8, Y3
	VMOVUPS Y0, (DI)(BX*1)
	VMOVUPS Y1, 32(DI)(BX*1)
	VMOVUPS Y2, 64(DI)(BX*1)
	VMOVUPS Y3, 96(DI)(BX*1)
	ADDQ $12, DX
	DECQ CX
	JNZ  loop
	VZEROUPPER

done:
	RET

// func hitsAVX512(found *int32, sums, norms *float32, limits *limit, n int) int
TEXT ·hitsAVX512(SB), NOSPLIT, $0-48
	MOVQ found+0(FP), DI
	MOVQ sums+8(FP), SI
	MOVQ norms+16(FP), R8
	MOVQ limits+24(FP), DX
	MOVQ n+32(FP), CX
	XORQ AX, AX                // found so far
	XORQ BX, BX                // row
	TESTQ CX, CX
	JZ   done
	MOVL $0x7fffffff, R9
	VPBROADCASTD R9, Z6        // clears signs
	VMOVUPS (R8), Z4           // norms 0..15
	VMOVUPS 64(R8), Z5         // norms 16..31

loop:
	VBROADCASTSS (DX)(BX*8), Z2  // margin
	VBROADCASTSS 4(DX)(BX*8), Z3 // least
	VPANDD (SI), Z6, Z0          // |words 0..15|
	VPANDD 64(SI), Z6, Z1        // |words 16..31|
	VADDPS Z2, Z0, Z0
	VADDPS Z2, Z1, Z1
	VMULPS Z4, Z0, Z0
	VMULPS Z5, Z1, Z1
	VMAXPS Z1, Z0, Z0
	VCMPPS $13, Z3, Z0, K1       // at least the least
	MOVL BX, (DI)(AX*4)          // kept if AX moves on
	XORL R9, R9
	KORTESTW K1, K1
	SETNE R9
	ADDQ R9, AX
	ADDQ $128, SI
	INCQ BX
	CMPQ BX, CX
	JLT  loop
	VZEROUPPER

done:
	MOVQ AX, ret+40(FP)
	RET

// func hitsAVX2(found *int32, sums, norms *float32, limits *limit, n int) int
TEXT ·hitsAVX2(SB), NOSPLIT, $0-48
	MOVQ found+0(FP), DI
	MOVQ sums+8(FP), SI
	MOVQ norms+16(FP), R8
	MOVQ limits+24(FP), DX
	MOVQ n+32(FP), CX
	XORQ AX, AX                // found so far
	XORQ BX, BX                // row
	TESTQ CX, CX
	JZ   done
	VPCMPEQD Y6, Y6, Y6
	VPSRLD $1, Y6, Y6          // clears signs
	VMOVUPS (R8), Y8           // norms 0..7
	VMOVUPS 32(R8), Y9         // norms 8..15
	VMOVUPS 64(R8), Y10        // norms 16..23
	VMOVUPS 96(R8), Y11        // norms 24..31

loop:
	VBROADCASTSS (DX)(BX*8), Y4  // margin
	VBROADCASTSS 4(DX)(BX*8), Y5 // least
	VANDPS (SI), Y6, Y0          // |words 0..7|
	VANDPS 32(SI), Y6, Y1        // |words 8..15|
	VANDPS 64(SI), Y6, Y2        // |words 16..23|
	VANDPS 96(SI), Y6, Y3        // |words 24..31|
	VADDPS Y4, Y0, Y0
	VADDPS Y4, Y1, Y1
	VADDPS Y4, Y2, Y2
	VADDPS Y4, Y3, Y3
	VMULPS Y8, Y0, Y0
	VMULPS Y9, Y1, Y1
	VMULPS Y10, Y2, Y2
	VMULPS Y11, Y3, Y3
	VMAXPS Y1, Y0, Y0
	VMAXPS Y3, Y2, Y2
	VMAXPS Y2, Y0, Y0
	VCMPPS $13, Y5, Y0, Y0       // at least the least
	MOVL BX, (DI)(AX*4)          // kept if AX moves on
	XORL R9, R9
	VPTEST Y0, Y0
	SETNE R9
	ADDQ R9, AX
	ADDQ $128, SI
	INCQ BX
	CMPQ BX, CX
	JLT  loop
	VZEROUPPER

done:
	MOVQ AX, ret+40(FP)
	RET
